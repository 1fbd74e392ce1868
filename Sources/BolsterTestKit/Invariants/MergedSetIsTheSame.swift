import BolsterLeasing

/// Whatever the schedule, the record files that count say the same: what each sample and what it was
/// computed from make of it, less the samples skipped.
final class MergedSetIsTheSame: Invariant {
    private let scenario: Scenario

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {}

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) {
        for (unit, all) in end.rows.finished {
            for chunk in all.chunks {
                let file = scenario.file(unit, chunk)
                guard let record = end.records[file], record.payload == expected(unit, chunk, record, end)
                else { throw broken("\(file) holds something else than it must") }
            }
        }
    }

    private func expected(
        _ unit: UnitID, _ chunk: CommittedChunk, _ record: StoredRecord, _ end: EndOfRun
    ) -> UInt64? {
        let number = chunk.result.chunk
        guard let source = scenario.reads(unit) else {
            return StoredRecord.payload(unit, number, skipped: record.skipped, sources: [])
        }
        guard let counted = end.rows.finished[source]?[number],
            let captions = end.records[scenario.file(source, counted)]
        else { return nil }
        return StoredRecord.payload(unit, number, skipped: record.skipped, sources: [captions.payload])
    }
}
