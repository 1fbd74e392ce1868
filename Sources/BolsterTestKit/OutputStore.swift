import BolsterDeterminism
import BolsterLeasing

/// A record file of a simulated run: who made it from what, and what it says.
package struct StoredRecord: Hashable, Sendable {
    package let unit: UnitID
    package let chunk: Int
    package let epoch: Epoch
    /// The record files that it was computed from: epoch and digest of each, in chunk order.
    package let sources: [Source]
    /// Samples skipped, by their index in the shard.
    package let skipped: [Int]
    /// What merges: the same however often and by whomever it is computed.
    package let payload: UInt64

    package struct Source: Hashable, Sendable {
        package let chunk: Int
        package let epoch: Epoch
        package let digest: UInt64
    }

    /// XXH64 over all of it, as a commit names it.
    package var digest: UInt64 {
        var bytes = Array("\(unit) \(chunk) \(epoch) \(payload)".utf8)
        for source in sources { bytes += Array(" \(source.chunk) \(source.epoch) \(source.digest)".utf8) }
        for sample in skipped { bytes += Array(" -\(sample)".utf8) }
        return XXH64Hasher.hash(of: bytes)
    }

    /// What must come out for a chunk, given what it skips and what it was computed from.
    package static func payload(_ unit: UnitID, _ chunk: Int, skipped: [Int], sources: [UInt64]) -> UInt64 {
        XXH64Hasher.hash(of: Array("\(unit) \(chunk) \(skipped) \(sources)".utf8))
    }
}

/// The output: whole objects under names, conditional creation, copies of the ledger.
package struct OutputStore {
    package private(set) var records: [String: StoredRecord] = [:]
    package private(set) var generations: Set<UInt64> = []
    package private(set) var backups: [(generation: UInt64, number: Int, rows: JournalRows)] = []
    package var isFull = false
    private static let backupsKept = 3

    package init() {}

    /// A record file is durable under its name.
    package mutating func put(_ record: StoredRecord, _ name: String) throws(Violation) {
        if let old = records[name], old != record {
            throw Violation("record-files-are-never-overwritten", "\(name) held something else")
        }
        records[name] = record
    }

    /// False where that generation is claimed already.
    package mutating func claim(_ generation: UInt64) -> Bool {
        generations.insert(generation).inserted
    }

    package var newestGeneration: UInt64 { generations.max() ?? 0 }

    package mutating func keep(_ rows: JournalRows, generation: UInt64, number: Int) {
        backups.append((generation, number, rows))
        backups.sort { ($0.generation, $0.number) < ($1.generation, $1.number) }
        backups.removeFirst(max(0, backups.count - Self.backupsKept))
    }
}
