/// Where each key was first seen. It holds 64-bit hashes, so that its memory does not follow the keys'
/// length: among a million keys two share one with a chance of 3 in 10^8.
struct SeenKeys {
    let countMax: Int
    private var recent: [Int: Int64] = [:]
    private var older: [Int: Int64] = [:]

    init(countMax: Int) { self.countMax = countMax }

    /// Where the key was before, nil where it is new.
    mutating func insert(_ key: String, at offset: Int64) -> Int64? {
        var hasher = Hasher()
        for byte in key.utf8 { hasher.combine(byte) }
        let hash = hasher.finalize()
        if let before = recent[hash] ?? older[hash] { return before }
        if recent.count >= max(1, countMax / 2) {
            older = recent
            recent = [:]
        }
        recent[hash] = offset
        return nil
    }
}
