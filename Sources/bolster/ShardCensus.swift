import BolsterDataset

/// What reading through shards tells before anything is spent: what samples there are, how many of them a
/// selection takes, and that none of them already has captions under a name that a captioner would write.
struct ShardCensus {
    /// Source fields that may be called `syn_text…`.
    let kept: Set<String>
    /// Nil for all samples.
    let selection: SampleSelection?
    private(set) var found = Found()

    /// Counts, as `plan` shows them.
    struct Found: Encodable {
        var samples = 0
        /// Format ("jpeg", "png", "webp") to samples whose first image it is; "unsupported" where the bytes
        /// are none of them.
        var images: [String: Int] = [:]
        var withoutImage = 0
        /// Samples with at least one text of their own.
        var withText = 0
        /// What `input.keep` takes; all samples without it.
        var selected = 0

        var text: String {
            let formats = images.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            let none = withoutImage > 0 ? ["\(withoutImage) without an image"] : []
            return "\(samples) samples: \((formats + none).joined(separator: ", ")); \(withText) with texts"
        }
    }

    init(_ manifest: Manifest, _ selection: SampleSelection?) {
        kept = Set(manifest.input.keepCaptions)
        self.selection = selection
    }

    /// - Parameter limit: samples to read of this shard; nil reads it all.
    /// - Throws: DatasetError, StorageError, or CommandError with the first sample whose captions would
    /// clash.
    mutating func read(_ shard: Shard, limit: Int? = nil) throws {
        var source = try ShardSamples(of: shard.location)
        var read = 0
        while read < limit ?? Int.max, let sample = try source.next() {
            try check(sample, of: shard)
            count(sample)
            read += 1
        }
    }

    private mutating func count(_ sample: Sample) {
        found.samples += 1
        if selection?.takes(sample) ?? true { found.selected += 1 }
        if !sample.texts.isEmpty { found.withText += 1 }
        guard let image = sample.image else {
            found.withoutImage += 1
            return
        }
        let format = ImageFormat(magicOf: image.bytes)?.rawValue ?? "unsupported"
        found.images[format, default: 0] += 1
    }

    private func check(_ sample: Sample, of shard: Shard) throws {
        for field in sample.captionFields where !kept.contains(field) {
            throw CommandError(
                "\(shard.location), sample \(sample.key): the source already has a field \"\(field)\", "
                    + "which would meet the captioners' own; rename it, or name it in input.keep_captions")
        }
    }
}
