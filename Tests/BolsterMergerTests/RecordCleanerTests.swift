import BolsterDataset
import BolsterRecords
import BolsterStorage
import Foundation
import Testing

@testable import BolsterMerger

@Suite struct RecordCleanerTests {
    private func fixture() throws -> RunFixture {
        let run = try RunFixture()
        let samples = (0..<6).map(RunFixture.sample)
        try run.addShard("x", samples)
        try run.writeRecords(run.shards[0], samples, tar: RunFixture.tar(samples), epoch: "1-2")
        return run
    }

    private func cleaner(_ run: RunFixture) -> RecordCleaner {
        RecordCleaner(records: run.records, stages: run.stages.map(\.id), shards: ["x"])
    }

    /// The first grant counts.
    private func ledger(at time: Int64) -> RecordCleaner.Ledger {
        RecordCleaner.Ledger(
            committed: { stage, shard, chunk in
                RecordFileName(stage: stage.name, shard: shard, chunk: chunk, epoch: "1-1").path
            }, time: time)
    }

    @Test("What no commit names is found once no lease can be alive that it was written under")
    func unnamed() throws {
        let run = try fixture()
        // Neither a record file nor anything that somebody made may go.
        try run.records.write("records/views/x/notes.txt", [1])
        let now = Int64(Date().timeIntervalSince1970)
        var found: [String] = []
        let cleaner = cleaner(run)
        try cleaner.unnamed(ledger(at: now), olderThan: .seconds(60)) { found.append($0.name) }
        #expect(found.isEmpty)
        try cleaner.unnamed(ledger(at: now + 120), olderThan: .seconds(60)) { found.append($0.name) }
        #expect(found.count == 8 && found.allSatisfy { $0.hasSuffix("-1-2.records") })
        for name in found { try run.records.delete(name) }
        #expect(try run.merge().total.merged == 6)
    }

    @Test("All record files are found, and the merge after them says that they are gone")
    func all() throws {
        let run = try fixture()
        try run.merge()
        #expect(try Merger(run.configuration()).check().total.merged == 6)
        var count = 0
        try cleaner(run).all { object in
            count += 1
            #expect(object.size > 0)
            try run.records.delete(object.name)
        }
        #expect(count == 16)
        let error = #expect(throws: MergerError.self) { try Merger(run.configuration()).check() }
        #expect(error?.code == .unfinished)
    }

    @Test("The longest lease is the longest of the manifest's times")
    func age() {
        let times = Manifest.LeaseTimes(progress: .seconds(300), loading: .seconds(900))
        #expect(RecordCleaner.longestLease(times) == .seconds(900))
    }
}
