import BolsterDataset
import BolsterDeterminism
import BolsterStorage
import Foundation

/// What says that a joined shard is finished, and from what: a small file beside the shards.
///
///     <output>/.bolster/join/<shard>.json
///
/// Without `--sync` a shard's bytes may not be on the disk when its receipt is written. So the receipt names
/// the start of the machine that wrote it: after another start the shard's hash is compared before it is
/// kept.
struct JoinReceipt: Codable, Equatable {
    /// SHA-256 over everything that decides the shard's bytes.
    var inputs: String
    /// Which start of the machine wrote the shard; "" where it was synced.
    var boot: String
    var report: JoinReport.Shard

    static func name(_ shard: String) -> String { ".bolster/join/\(shard).json" }

    /// - Parameter sources: those that may hold the shard's sources.
    static func inputs(_ configuration: JoinConfiguration, shard: Shard, sources: [Shard]) -> String {
        var lines = [
            "join 2", configuration.field.map { "uid \($0)" } ?? "key",
            "\(configuration.unpacksParameters)", shard.name,
        ]
        for shard in [shard] + sources {
            lines.append("\(shard.identity.size) \(shard.identity.version)")
        }
        return SHA256Hasher.digest(of: lines.joined(separator: "\n")).hex
    }

    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    /// Nil for what is no receipt: then the shard is joined again.
    init?(decoding bytes: [UInt8]) {
        do {
            self = try JSONDecoder().decode(JoinReceipt.self, from: Data(bytes))
        } catch {
            return nil
        }
    }

    init(inputs: String, boot: String, report: JoinReport.Shard) {
        self.inputs = inputs
        self.boot = boot
        self.report = report
    }

    /// What tells one start of this machine from all others (Linux's random.boot_id).
    static func currentBoot() throws(StorageError) -> String {
        let text = String(
            decoding: try ObjectStore(root: "/proc/sys/kernel/random").read("boot_id"), as: UTF8.self)
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
