import BolsterLeasing

/// A chunk is committed exactly once: never twice in the journal, and at the end each finished unit has each
/// of its chunks, of the right size, with the record file that its commit named.
final class ChunksCountOnce: Invariant {
    private let scenario: Scenario

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        guard case .journalled(_, let changes, var rows) = observation else { return }
        for change in changes {
            switch change {
            case .committed(let unit, let chunk):
                guard rows.counted(unit, chunk.result.chunk) == nil else {
                    throw broken("chunk \(chunk.result.chunk) of \(unit) counts again under \(chunk.epoch)")
                }
            case .finished(let unit, let all):
                for chunk in all.chunks {
                    guard let counted = rows.counted(unit, chunk.result.chunk), counted != chunk else {
                        continue
                    }
                    throw broken(
                        "chunk \(chunk.result.chunk) of \(unit) was of \(counted.epoch), is of \(chunk.epoch)"
                    )
                }
            case .granted, .ended, .troubled, .quarantined, .retried, .reopened, .extended: break
            }
            try rows.apply(change)
        }
    }

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) {
        for (unit, all) in end.rows.finished {
            let expected = scenario.chunks(ofShard: unit.shard)
            guard all.chunks.map(\.result.chunk) == Array(0..<expected) else {
                throw broken("\(unit) has the chunks \(all.chunks.map(\.result.chunk)) of \(expected)")
            }
            for chunk in all.chunks {
                let number = chunk.result.chunk
                guard chunk.result.samples == scenario.samples(of: number, shard: unit.shard).count,
                    chunk.result.isLast == (number == expected - 1)
                else { throw broken("chunk \(number) of \(unit) is \(chunk.result)") }
                let file = scenario.file(unit, chunk)
                guard let record = end.records[file], record.digest == chunk.result.digest,
                    record.unit == unit, record.chunk == number, record.epoch == chunk.epoch,
                    record.skipped.count == chunk.result.skipped
                else { throw broken("\(file) is not what was committed") }
            }
        }
    }
}

extension Scenario {
    /// The record file of a committed chunk.
    func file(_ unit: UnitID, _ chunk: CommittedChunk) -> String {
        recordFileName(
            stage: unit.stage, shard: plan.shards[unit.shard].name, chunk: chunk.result.chunk,
            epoch: chunk.epoch)
    }
}
