import BolsterLeasing

/// A chunk counts only as the one to whom its epoch was granted said it, under the key of that grant.
final class ForgeriesNeverCount: Invariant {
    private struct Said: Hashable {
        let worker: WorkerID
        let key: String?
        let epoch: Epoch
        let chunk: Int
        let digest: UInt64
    }

    private var said: Set<Said> = []

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(_, _, let frame, let key, _):
            guard case .commit(let commit) = frame.message else { return }
            said.insert(
                Said(
                    worker: frame.worker, key: key, epoch: commit.epoch, chunk: commit.result.chunk,
                    digest: commit.result.digest))
        case .journalled(_, let changes, var rows):
            for change in changes {
                switch change {
                case .committed(let unit, let chunk): try check(unit, chunk, rows)
                case .finished(let unit, let all):
                    for chunk in all.chunks where rows.counted(unit, chunk.result.chunk) == nil {
                        try check(unit, chunk, rows)
                    }
                case .granted, .ended, .troubled, .quarantined, .retried, .reopened, .extended: break
                }
                try rows.apply(change)
            }
        default: break
        }
    }

    private func check(_ unit: UnitID, _ chunk: CommittedChunk, _ rows: JournalRows) throws(Violation) {
        guard let row = rows.leases[chunk.epoch], row.unit == unit else {
            throw broken("chunk \(chunk.result.chunk) of \(unit) counts under \(chunk.epoch), never granted")
        }
        let one = Said(
            worker: row.record.worker, key: row.record.key, epoch: chunk.epoch, chunk: chunk.result.chunk,
            digest: chunk.result.digest)
        guard said.contains(one) else {
            throw broken(
                "chunk \(chunk.result.chunk) of \(unit) counts, and \(row.record.worker) did not say so")
        }
    }
}
