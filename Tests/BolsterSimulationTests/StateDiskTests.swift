import BolsterLeasing
import Testing

@testable import BolsterTestKit

@Suite("Simulated disk and output") struct StateDiskTests {
    private let unit = UnitID(stage: "views", shard: 0)

    private func granted(_ number: UInt64) -> LedgerChange {
        .granted(
            unit,
            GrantRecord(
                epoch: Epoch(generation: 1, grant: number), worker: WorkerID("w"), incarnation: 1, key: nil))
    }

    @Test("A transaction counts once it is synchronised, and a crash before may lose it") func crash() throws
    {
        var disk = StateDisk()
        disk.write([granted(1)])
        #expect(disk.rows.leases.isEmpty)
        try disk.synchronised()
        disk.write([granted(2)])
        var other = disk
        try disk.crashed(.torn)
        try other.crashed(.survives)
        #expect(disk.rows.leases.count == 1 && other.rows.leases.count == 2)
    }

    @Test("Rows refuse what SQLite's keys would refuse") func keys() throws {
        var rows = JournalRows()
        try rows.apply(granted(1))
        #expect(throws: Violation.self) { try rows.apply(granted(1)) }
    }

    @Test("A generation is claimed once, and a record file is never overwritten") func output() throws {
        var store = OutputStore()
        #expect(store.claim(1) && !store.claim(1) && store.newestGeneration == 1)
        let epoch = Epoch(generation: 1, grant: 1)
        func record(_ payload: UInt64) -> StoredRecord {
            StoredRecord(unit: unit, chunk: 0, epoch: epoch, sources: [], skipped: [], payload: payload)
        }
        try store.put(record(1), "a")
        try store.put(record(1), "a")
        #expect(throws: Violation.self) { try store.put(record(2), "a") }
    }
}
