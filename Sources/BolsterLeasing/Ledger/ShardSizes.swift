/// How many samples each shard has, learned when a stage has been through it: all stages of a run see the
/// same samples, so that the first one tells the others how much is before them.
struct ShardSizes {
    /// By the shard's index; -1 where no unit of the shard is finished.
    private var samples: [Int32] = []

    /// A unit of the shard is finished and had so many samples.
    mutating func learned(shard: Int, samples count: Int) {
        if shard >= samples.count {
            samples += [Int32](repeating: -1, count: shard + 1 - samples.count)
        }
        samples[shard] = Int32(clamping: count)
    }

    /// Samples of all `shards`: counted where known, the others by their bytes at the known shards' bytes a
    /// sample.
    ///
    /// - Parameter begun: bytes read so far of units under way and the samples they had, which tell
    ///   something before the first unit is finished.
    /// - Returns: nil where nothing is known.
    func expected(_ shards: [ShardReference], begun: (bytes: Int64, samples: Int)) -> Double? {
        var known = (shards: 0, bytes: Int64(0), samples: 0)
        var bytes: Int64 = 0
        for shard in shards {
            bytes += shard.size
            guard shard.index < samples.count, samples[shard.index] >= 0 else { continue }
            known.shards += 1
            known.bytes += shard.size
            known.samples += Int(samples[shard.index])
        }
        if known.shards == shards.count { return Double(known.samples) }
        if known.shards == 0 {
            return begun.bytes > 0 ? Double(begun.samples) * Double(bytes) / Double(begun.bytes) : nil
        }
        if known.bytes > 0 {
            return Double(known.samples) * Double(bytes) / Double(known.bytes)
        }
        return Double(known.samples) * Double(shards.count) / Double(known.shards)
    }
}
