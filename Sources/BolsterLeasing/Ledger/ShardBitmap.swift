/// A set of shard numbers that finds its first member fast: one bit a shard, and one bit for each
/// 64-bit word that is not empty. 65,536 shards are 1,024 words under 16.
struct ShardBitmap {
    private var words: [UInt64]
    private var summary: [UInt64]
    private(set) var count = 0

    init(shards: Int) {
        words = [UInt64](repeating: 0, count: (shards + 63) / 64)
        summary = [UInt64](repeating: 0, count: (words.count + 63) / 64)
    }

    var isEmpty: Bool { count == 0 }

    /// Makes room for more shards, none of them members.
    mutating func grow(to shards: Int) {
        words += [UInt64](repeating: 0, count: max(0, (shards + 63) / 64 - words.count))
        summary += [UInt64](repeating: 0, count: max(0, (words.count + 63) / 64 - summary.count))
    }

    func contains(_ shard: Int) -> Bool {
        shard >= 0 && shard / 64 < words.count && words[shard / 64] & (1 << UInt64(shard % 64)) != 0
    }

    mutating func insert(_ shard: Int) {
        guard !contains(shard) else { return }
        words[shard / 64] |= 1 << UInt64(shard % 64)
        summary[shard / 4096] |= 1 << UInt64(shard / 64 % 64)
        count += 1
    }

    mutating func remove(_ shard: Int) {
        guard contains(shard) else { return }
        words[shard / 64] &= ~(1 << UInt64(shard % 64))
        if words[shard / 64] == 0 { summary[shard / 4096] &= ~(1 << UInt64(shard / 64 % 64)) }
        count -= 1
    }

    /// The smallest member that is not below `start`.
    func first(from start: Int = 0) -> Int? {
        guard start / 64 < words.count else { return nil }
        let here = words[start / 64] & (UInt64.max << UInt64(start % 64))
        if here != 0 { return start / 64 * 64 + here.trailingZeroBitCount }
        let next = start / 64 + 1
        var index = next / 64
        var mask = UInt64.max << UInt64(next % 64)
        while index < summary.count {
            let group = summary[index] & mask
            if group != 0 {
                let word = index * 64 + group.trailingZeroBitCount
                return word * 64 + words[word].trailingZeroBitCount
            }
            mask = .max
            index += 1
        }
        return nil
    }
}
