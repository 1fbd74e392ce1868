import BolsterLeasing
import BolsterMessaging
import Logging

extension CoordinatorCore {
    /// Carries out an operator's order. Its changes go into `batch` and must be durable before the reply
    /// leaves; what was in the batch before must be so already, because `commits` reads the journal.
    ///
    /// - Parameters:
    ///   - isOver: the run has ended here, and its workers have been told.
    ///   - commits: which chunks a request holds to be wrong, as the journal knows.
    package mutating func ordered(
        _ request: OperatorRequest, isOver: Bool, into batch: inout Batch,
        commits: (InvalidateRequest) throws -> [UnitID: Set<Int>]
    ) rethrows -> OperatorReply {
        if isOver, request != .drain {
            return OperatorReply(
                refusal:
                    "the run has just ended here, and its workers have left: give the order on its state "
                    + "folder (--state) once this coordinator is gone, then start it again")
        }
        switch request {
        case .drain: return drained(&batch)
        case .retry(let retry): return retried(retry, &batch)
        case .invalidate(let request): return invalidated(request, try commits(request), &batch)
        case .extend(let request): return extended(request, &batch)
        }
    }

    /// Refuses and counts an order of somebody who may not give any.
    mutating func orderForbidden(_ request: OperatorRequest, _ peer: PeerID) -> OperatorReply {
        refusals.add(.order, "\(request.name) from \(peer)")
        return OperatorReply(
            refusal:
                "this key may not give orders: on the coordinator's machine, "
                + "`bolster keys allow \(peer.key ?? "KEY") --operator --name NAME --list LIST` allows it "
                + "to, within a second")
    }

    /// A run that had ended goes on.
    mutating func reopened(now: Duration) {
        log.notice("the run has work again and goes on")
        // What was silent was the end.
        lastCommit = now
    }

    private mutating func drained(_ batch: inout Batch) -> OperatorReply {
        guard !ledger.isDraining else { return OperatorReply() }
        log.notice("drain was requested: no more leases, the run pauses when those out are back")
        ledger.drainRequested()
        tellAll(.drain, in: &batch)
        return OperatorReply()
    }

    private mutating func retried(_ request: RetryRequest, _ batch: inout Batch) -> OperatorReply {
        if let stage = request.stages.first(where: { name in !ledger.plan.stages.contains { $0.name == name }
        }) {
            return OperatorReply(refusal: unknown(stage: stage))
        }
        let changes = ledger.retryRequested(request)
        batch.changes += changes
        if !changes.isEmpty {
            log.notice("quarantined units are tried again", metadata: [LogKey.count: "\(changes.count)"])
        }
        return OperatorReply(units: changes.count)
    }

    private mutating func invalidated(
        _ request: InvalidateRequest, _ wrong: [UnitID: Set<Int>], _ batch: inout Batch
    ) -> OperatorReply {
        if let stage = request.stage, !ledger.plan.stages.contains(where: { $0.name == stage }) {
            return OperatorReply(refusal: unknown(stage: stage))
        }
        let before = ledger.stageCounts.reduce(0) { $0 + $1.chunks }
        let changes = ledger.invalidated(wrong, by: request.worker, stage: request.stage)
        let chunks = before - ledger.stageCounts.reduce(0) { $0 + $1.chunks }
        batch.changes += changes
        log.notice(
            "what a worker committed is made again",
            metadata: [LogKey.worker: "\(request.worker)", LogKey.count: "\(chunks)"])
        return OperatorReply(units: changes.count, chunks: chunks)
    }

    private mutating func extended(_ request: ExtendRequest, _ batch: inout Batch) -> OperatorReply {
        switch ledger.extendRequested(request.shards) {
        case .journal(let change):
            batch.changes.append(change)
            log.notice("the run has more shards", metadata: [LogKey.count: "\(ledger.plan.shards.count)"])
        case .acknowledge: break
        case .refuse(let reason): return OperatorReply(refusal: reason)
        }
        return OperatorReply(shards: ledger.plan.shards.count)
    }

    private func unknown(stage: String) -> String {
        "this run has no stage \(stage); it has " + ledger.plan.stages.map(\.name).joined(separator: ", ")
    }
}

extension OperatorRequest {
    fileprivate var name: String {
        switch self {
        case .drain: "drain"
        case .retry: "retry"
        case .invalidate: "invalidate"
        case .extend: "extend"
        }
    }
}
