import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Finds record files that no commit names: those of workers that died between writing and committing, of
/// stages that have changed, of second leases that came second.
///
/// A file is young while a lease could still be alive under which it was written: it may yet be committed.
/// The ledger's time counts and not today's, for a copy of the ledger does not know what was committed after
/// it.
package struct RecordCleaner {
    /// What the ledger says; its files as `MergeConfiguration.CommittedFile` names them.
    package struct Ledger {
        package var committed: MergeConfiguration.CommittedFile
        /// When it was up to date, in seconds since 1970.
        package var time: Int64

        package init(committed: @escaping MergeConfiguration.CommittedFile, time: Int64) {
            self.committed = committed
            self.time = time
        }
    }

    private let records: ObjectStore
    private let stages: [StageID]
    private let shards: [String]

    /// - Parameters:
    ///   - records: the run's output.
    ///   - stages: all whose records are looked at, those of earlier manifests too.
    ///   - shards: their names.
    package init(records: ObjectStore, stages: [StageID], shards: [String]) {
        self.records = records
        self.stages = stages
        self.shards = shards
    }

    /// How long a lease lives at most without a commit, by the manifest's times.
    package static func longestLease(_ times: Manifest.LeaseTimes) -> Duration {
        max(times.expires, times.progress, times.loading)
    }

    /// Hands over the record files that no commit names and that are older than `age`, unit by unit. Files
    /// under other names are nobody's, and left alone.
    package func unnamed(
        _ ledger: Ledger, olderThan age: Duration, _ body: (StoredObject) throws -> Void
    ) throws {
        try every { object, name in
            let isNamed = ledger.committed(StageID(name.stage), name.shard, name.chunk) == object.name
            let isOld = object.modified <= ledger.time - age.components.seconds
            if !isNamed && isOld { try body(object) }
        }
    }

    /// Hands over every record file.
    package func all(_ body: (StoredObject) throws -> Void) throws {
        try every { object, _ in try body(object) }
    }

    private func every(_ body: (StoredObject, RecordFileName) throws -> Void) throws {
        for stage in stages {
            for shard in shards {
                let folder = RecordFileName.folder(stage: stage.name, shard: shard)
                for object in try records.objects(prefix: folder + "/") {
                    if let name = RecordFileName(path: object.name) { try body(object, name) }
                }
            }
        }
    }
}
