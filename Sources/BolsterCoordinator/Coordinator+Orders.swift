import BolsterLeasing
import BolsterMessaging
import Logging

extension Coordinator {
    /// Carries out an order. It is durable here on return; where it changed the ledger, its answer waits for
    /// a copy of that in the output.
    ///
    /// - Returns: what is to be told now, to workers and to whoever asked.
    func carryOut(
        _ request: OperatorRequest, from asker: UnansweredOrders.Asker, _ core: inout CoordinatorCore,
        _ schedule: inout Schedule, now: Duration
    ) throws -> [OutgoingFrame] {
        if case .peer(let peer) = asker, !router.isOperator(peer) {
            return answer(core.orderForbidden(request, peer), to: asker, core)
        }
        guard schedule.unanswered.count < OrderQueue.waitingMax else {
            let reply = OperatorReply(
                refusal: "too many orders wait for a copy of the ledger: see whether the output takes files")
            return answer(reply, to: asker, core)
        }
        if request == .drain { schedule.over?.staysUntilTold = false }
        let isOver = schedule.over.map { !$0.staysUntilTold } ?? false
        var batch = CoordinatorCore.Batch()
        let reply = try core.ordered(request, isOver: isOver, into: &batch) { wrong in
            try journal.commits(of: wrong.worker, since: wrong.since, stage: wrong.stage)
        }
        try journal.write(batch.changes, time: Self.wallClock)
        if !batch.changes.isEmpty {
            reopen(&core, &schedule, now: now)
            schedule.copyAgain = now + configuration.copyAgainAfter
            schedule.unanswered.append(reply, to: asker, copy: backup.begin())
        } else if let copy = schedule.unanswered.copy, request != .drain {
            // Perhaps said again, because its first answer waits: it is no surer than that one.
            schedule.unanswered.append(reply, to: asker, copy: copy)
        } else {
            return batch.answers + answer(reply, to: asker, core)
        }
        return batch.answers
    }

    /// Answers those whose orders the output knows by now.
    func answerOrders(_ core: inout CoordinatorCore, _ schedule: inout Schedule) -> [OutgoingFrame] {
        guard !schedule.unanswered.isEmpty else { return [] }
        return schedule.unanswered.take(copied: backup.done).flatMap { answer($0.reply, to: $0.asker, core) }
    }

    /// A run that has ended, and whose coordinator stays, has work again: it goes on.
    private func reopen(_ core: inout CoordinatorCore, _ schedule: inout Schedule, now: Duration) {
        guard schedule.over != nil, end(core) == nil else { return }
        schedule.over = nil
        core.reopened(now: now)
        do {
            try output.delete(RunEnd.name(generation: generation))
            try announcement?.change(to: .running)
        } catch {
            configuration.log.error(
                "the word that this run has ended could not be taken back: workers that come may leave again",
                metadata: [LogKey.reason: "\(error)"])
        }
    }

    private func answer(
        _ reply: OperatorReply, to asker: UnansweredOrders.Asker, _ core: borrowing CoordinatorCore
    ) -> [OutgoingFrame] {
        switch asker {
        case .caller(let done):
            done(reply)
            return []
        case .peer(let peer):
            var batch = CoordinatorCore.Batch()
            core.answer(.operatorReply(reply), to: peer, in: &batch)
            return batch.answers
        }
    }
}
