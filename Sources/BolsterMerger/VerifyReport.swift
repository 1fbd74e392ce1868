/// What `bolster verify` found in a dataset.
package struct VerifyReport: Codable, Sendable, Equatable {
    package struct Fault: Codable, Sendable, Equatable {
        /// Stable and snake_case.
        package var code: String
        /// "" for the dataset as a whole.
        package var shard: String
        /// "" for a shard as a whole.
        package var key: String
        package var message: String

        package init(code: String, shard: String = "", key: String = "", message: String) {
            self.code = code
            self.shard = shard
            self.key = key
            self.message = message
        }

        fileprivate var line: String {
            let place = [shard, key].filter { !$0.isEmpty }.joined(separator: " ")
            return "\(code)\(place.isEmpty ? "" : " in \(place)"): \(message)"
        }
    }

    /// Faults beyond this many are counted, not listed.
    package static let faultsMax = 1000

    package var directory: String
    package var shards = 0
    package var samples = 0
    package var bytes: Int64 = 0
    /// Samples of the source that were compared with; nil without a source.
    package var sourceSamples: Int?
    /// Samples whose embeddings were computed again, and the largest difference of a number; nil without.
    package var recomputed: Int?
    package var recomputedDifferenceMax: Double?
    /// The largest difference of a teacher's vector from length 1.
    package var normErrorMax = 0.0
    /// File extension to how many samples have it.
    package var files: [String: Int] = [:]
    package private(set) var faultCount = 0
    package private(set) var faults: [Fault] = []
    /// What is allowed and may yet not be meant; never makes a dataset a bad one.
    package private(set) var warnings: [Fault] = []

    package init(directory: String) { self.directory = directory }

    package var isGood: Bool { faultCount == 0 }

    package mutating func append(_ fault: Fault) {
        faultCount += 1
        if faults.count < Self.faultsMax { faults.append(fault) }
    }

    package mutating func append(warning: Fault) {
        if warnings.count < Self.faultsMax { warnings.append(warning) }
    }

    /// For a person.
    package var summary: String {
        let contents = files.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(
            separator: ", ")
        var lines = [
            "\(directory): \(samples) samples in \(shards) shards, \(bytes) bytes",
            "  files: \(contents)", "  norms within \(normErrorMax) of 1",
        ]
        if let sourceSamples { lines.append("  compared with \(sourceSamples) samples of the source") }
        if let recomputed, let recomputedDifferenceMax {
            lines.append(
                "  embeddings of \(recomputed) samples computed again: within \(recomputedDifferenceMax)")
        }
        for fault in faults.prefix(50) { lines.append("  \(fault.line)") }
        if faultCount > 50 { lines.append("  and \(faultCount - min(50, faults.count)) more faults") }
        for warning in warnings.prefix(50) { lines.append("  warning: \(warning.line)") }
        if warnings.count > 50 { lines.append("  and \(warnings.count - 50) more warnings") }
        lines.append(isGood ? "no faults" : "\(faultCount) faults")
        return lines.joined(separator: "\n")
    }

    enum CodingKeys: String, CodingKey {
        case directory, shards, samples, bytes, files, faults, warnings, recomputed
        case sourceSamples = "source_samples"
        case recomputedDifferenceMax = "recomputed_difference_max"
        case normErrorMax = "norm_error_max"
        case faultCount = "fault_count"
    }
}
