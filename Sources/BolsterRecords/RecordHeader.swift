/// What a record file says about itself: which chunk of which stage it holds, what it was made from and by
/// what. Written as JSON, so that `head` and `jq` can read it too.
package struct RecordHeader: Codable, Sendable, Equatable {
    /// The source shard as it was when it was read.
    package struct ShardIdentity: Codable, Sendable, Equatable {
        /// Bytes.
        package var size: Int64
        /// The modification time in nanoseconds, or the store's ETag.
        package var version: String

        package init(size: Int64, version: String) {
            self.size = size
            self.version = version
        }
    }

    /// The bytes of the source shard that this chunk was made from.
    package struct SourceRange: Codable, Sendable, Equatable {
        /// Where the chunk before ended; 0 for the first.
        package var start: Int64
        /// One past the last byte of the last sample's padding.
        package var end: Int64
        /// XXH64 of those bytes, sixteen hexadecimal digits.
        package var xxh64: String

        package init(start: Int64, end: Int64, xxh64: String) {
            self.start = start
            self.end = end
            self.xxh64 = xxh64
        }
    }

    /// The manifest's name.
    package var run: String
    /// As in `StageID`.
    package var stage: String
    /// The stage's fingerprint, 64 hexadecimal digits.
    package var fingerprint: String
    /// The shard's name.
    package var shard: String
    package var shardIdentity: ShardIdentity
    /// Nil for a stage that reads no source shard: the texts of a captioner.
    package var range: SourceRange?
    /// Which chunk of the unit, from 0.
    package var chunk: Int
    /// No chunk follows this one.
    package var isLast: Bool
    /// How many samples the chunk has, skipped ones included.
    package var samples: Int
    /// The first sample's position in the shard.
    package var firstSample: Int
    /// "<coordinator generation>-<grant>".
    package var epoch: String
    /// Binary, runtime, device, threads and batch: equal classes give equal bytes.
    package var computeClass: String
    /// The record files that this one was computed from: path as in `RecordFileName` to XXH64 of the whole
    /// file in sixteen hexadecimal digits.
    package var sources: [String: String]

    /// Tokens that a captioner's endpoint counted for this chunk; nil where no endpoint was asked.
    package var usage: TokenUsage?
    /// Where the device had no memory for a whole batch: the most rows that it computed at once; else nil.
    package var batchReducedTo: Int?

    package init(
        run: String, stage: String, fingerprint: String, shard: String, shardIdentity: ShardIdentity,
        range: SourceRange?, chunk: Int, isLast: Bool, samples: Int, firstSample: Int, epoch: String,
        computeClass: String, sources: [String: String] = [:]
    ) {
        self.run = run
        self.stage = stage
        self.fingerprint = fingerprint
        self.shard = shard
        self.shardIdentity = shardIdentity
        self.range = range
        self.chunk = chunk
        self.isLast = isLast
        self.samples = samples
        self.firstSample = firstSample
        self.epoch = epoch
        self.computeClass = computeClass
        self.sources = sources
    }

    enum CodingKeys: String, CodingKey {
        case run, stage, fingerprint, shard, range, chunk, samples, epoch, sources, usage
        case shardIdentity = "shard_identity"
        case isLast = "is_last"
        case firstSample = "first_sample"
        case computeClass = "compute_class"
        case batchReducedTo = "batch_reduced_to"
    }
}

/// Tokens as a captioner's endpoint counts them, and captions that its limit of them ended.
package struct TokenUsage: Codable, Sendable, Equatable {
    /// Of prompts and images.
    package var prompt: Int
    /// Of captions.
    package var completion: Int
    /// Captions that stop where the limit of tokens was, in the middle of a sentence; nil for none.
    package var cut: Int?

    package init(prompt: Int = 0, completion: Int = 0, cut: Int? = nil) {
        self.prompt = prompt
        self.completion = completion
        self.cut = cut
    }

    package static func + (left: TokenUsage, right: TokenUsage) -> TokenUsage {
        let cut = (left.cut ?? 0) + (right.cut ?? 0)
        return TokenUsage(
            prompt: left.prompt + right.prompt, completion: left.completion + right.completion,
            cut: cut > 0 ? cut : nil)
    }
}
