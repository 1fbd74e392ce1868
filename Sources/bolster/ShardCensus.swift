import BolsterDataset

/// What reading through shards tells before anything is spent: how many samples there are, and that none
/// of them already has captions under a name that a captioner would write.
struct ShardCensus {
    /// Source fields that may be called `syn_text…`.
    let kept: Set<String>
    private(set) var samples = 0

    /// - Parameter limit: samples to read of this shard; nil reads it all.
    /// - Throws: DatasetError, StorageError, or CommandError with the first sample whose captions would
    /// clash.
    mutating func read(_ shard: Shard, limit: Int? = nil) throws {
        var source = try ShardSamples(of: shard.location)
        var read = 0
        while read < limit ?? Int.max, let sample = try source.next() {
            try check(sample, of: shard)
            samples += 1
            read += 1
        }
    }

    private func check(_ sample: Sample, of shard: Shard) throws {
        for field in sample.captionFields where !kept.contains(field) {
            throw CommandError(
                "\(shard.location), sample \(sample.key): the source already has a field \"\(field)\", "
                    + "which would"
                    + " meet the captioners' own; rename it, or name it in input.keep_captions")
        }
    }
}
