/// Where a record file lies below a run's output, and what its name says.
///
///     records/<stage>/<shard>/<chunk, six digits or more>-<generation>-<grant>.records
///
/// The epoch in the name keeps two grants of one chunk from ever writing one file.
package struct RecordFileName: Hashable, Sendable, CustomStringConvertible {
    package let stage: String
    package let shard: String
    package let chunk: Int
    /// "<generation>-<grant>".
    package let epoch: String

    package init(stage: String, shard: String, chunk: Int, epoch: String) {
        self.stage = stage
        self.shard = shard
        self.chunk = chunk
        self.epoch = epoch
    }

    /// Reads a path that `path` wrote; nil for any other, temporary files among them.
    package init?(path: some StringProtocol) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "records", parts[3].hasSuffix(Self.suffix) else { return nil }
        let words = parts[3].dropLast(Self.suffix.count).split(
            separator: "-", omittingEmptySubsequences: false)
        guard words.count == 3, let chunk = Int(words[0]), chunk >= 0, let generation = UInt64(words[1]),
            let grant = UInt64(words[2])
        else { return nil }
        self.init(
            stage: String(parts[1]), shard: String(parts[2]), chunk: chunk, epoch: "\(generation)-\(grant)")
        guard self.path == path else { return nil }
    }

    package var path: String { "\(Self.folder(stage: stage, shard: shard))/\(padded)-\(epoch)\(Self.suffix)" }
    package var description: String { path }

    /// The folder of a unit's record files.
    package static func folder(stage: String, shard: String) -> String { "records/\(stage)/\(shard)" }

    private static let suffix = ".records"

    private var padded: String {
        let digits = String(chunk)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }
}
