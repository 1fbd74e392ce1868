/// Why a merge or a verification stopped.
package struct MergerError: Error, CustomStringConvertible, Sendable {
    package enum Code: String, Sendable {
        /// Chunks are not committed yet; `--partial` merges what there is.
        case unfinished
        /// Records of another fingerprint, or computed from other records than those that count.
        case mixture
        /// Under `--strict`: records of several compute classes.
        case mixedComputeClasses = "mixed_compute_classes"
        /// The source shard's bytes are not those that the workers saw.
        case changedShard = "changed_shard"
        /// The source shard cannot be read to its end.
        case unreadableShard = "unreadable_shard"
        /// A record file is missing, damaged, or contradicts the manifest.
        case badRecords = "bad_records"
        /// An index would exceed the memory that it may take.
        case tooLarge = "too_large"
        /// Samples that belong to no class of the coverage: a mistake in this program.
        case unaccounted
        /// The output or the dataset's folder cannot be read or written.
        case storage
    }

    package let code: Code
    /// Says what is wrong, where, and what to do.
    package let message: String
    /// Shards, files or keys concerned.
    package let evidence: [String]
    package let cause: (any Error & Sendable)?

    package init(
        _ code: Code, _ message: String, evidence: [String] = [], cause: (any Error & Sendable)? = nil
    ) {
        self.code = code
        self.message = message
        self.evidence = evidence
        self.cause = cause
    }

    package var description: String {
        var text = message
        if let cause { text += " (\(cause))" }
        if !evidence.isEmpty {
            let shown = evidence.prefix(20).joined(separator: ", ")
            text += ": \(shown)" + (evidence.count > 20 ? " and \(evidence.count - 20) more" : "")
        }
        return text
    }
}
