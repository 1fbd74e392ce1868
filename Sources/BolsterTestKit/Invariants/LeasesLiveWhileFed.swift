import BolsterLeasing

/// A lease ends because it is released, failed, taken back by a new start of its worker, finished or given
/// up with its unit, or because nothing extended it for its whole time: never for no reason.
final class LeasesLiveWhileFed: Invariant {
    private let expires: Duration
    private let loadingLimit: Duration
    private let hasSteadyClocks: Bool
    /// When each coordinator last had a reason to extend each lease.
    private var fed: [UInt64: [Epoch: Duration]] = [:]
    private var holders: [Epoch: GrantRecord] = [:]
    /// When each start of a worker last greeted, by name and key.
    private var greeted: [[String]: [UInt64: Duration]] = [:]
    private var grantedAt: [Epoch: Duration] = [:]
    /// When each coordinator last took frames in or ticked: what it decides then is journalled later.
    private var served: [UInt64: Duration] = [:]
    private var samples: [Epoch: Int] = [:]
    private var loading: [Epoch: Duration] = [:]
    /// Leases that may end at once, for what their worker said.
    private var excused: Set<Epoch> = []

    init(_ scenario: Scenario) {
        expires = scenario.plan.limits.expires * 0.9
        loadingLimit = scenario.plan.limits.loading * 0.9
        hasSteadyClocks = scenario.faults.clockJump == 0 && scenario.faults.freezeCoordinator == 0
    }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .coordinatorStarted(let generation, let rows, _):
            for (epoch, row) in rows.leases where row.state == .living {
                feed(epoch, generation, now)
                holders[epoch] = row.record
            }
        case .arrived(let generation, _, let frame, let key, let rows):
            served[generation] = now
            arrived(frame, generation, key, rows, now)
        case .ticked(let generation, _): served[generation] = now
        case .journalled(let generation, let changes, _):
            let decided = served[generation] ?? now
            for change in changes {
                if case .granted(_, let record) = change {
                    feed(record.epoch, generation, decided)
                    holders[record.epoch] = record
                    grantedAt[record.epoch] = decided
                }
                // A commit that repeats what is there, or comes second, shows no progress.
                if case .committed(_, let chunk) = change { feed(chunk.epoch, generation, decided) }
                guard case .ended(let unit, let epoch) = change, !isExcused(epoch) else { continue }
                guard let last = fed[generation]?[epoch], decided - last < expires else { continue }
                throw broken("\(epoch) of \(unit) ends \(decided - last) after it got on")
            }
        case .clockJumped(let time):
            for generation in served.keys { served[generation]! -= time }
            for generation in fed.keys {
                for epoch in fed[generation]!.keys { fed[generation]![epoch]! -= time }
            }
        case .answered, .heard, .advanced, .died, .stored, .interrupted: break
        }
    }

    private func isExcused(_ epoch: Epoch) -> Bool {
        guard !excused.contains(epoch) else { return true }
        guard let holder = holders[epoch] else { return false }
        // Another start of the same worker takes its leases back.
        let since = grantedAt[epoch] ?? .zero
        return greeted[[holder.worker.name, holder.key ?? ""], default: [:]]
            .contains { $0.key != holder.incarnation && $0.value >= since }
    }

    private func feed(_ epoch: Epoch, _ generation: UInt64, _ time: Duration) {
        fed[generation, default: [:]][epoch] = time
    }

    private func arrived(
        _ frame: WorkerFrame, _ generation: UInt64, _ key: String?, _ rows: JournalRows, _ now: Duration
    ) {
        switch frame.message {
        case .hello:
            greeted[[frame.worker.name, key ?? ""], default: [:]][frame.incarnation] = now
        case .heartbeat(let heartbeat):
            // Only who has greeted this coordinator is heard.
            guard frame.generation == generation else { return }
            for report in heartbeat.leases where rows.leases[report.epoch]?.record.key == key {
                if report.phase == .loading {
                    let first = loading[report.epoch, default: now]
                    loading[report.epoch] = first
                    if hasSteadyClocks, now - first < loadingLimit { feed(report.epoch, generation, now) }
                } else if report.samplesDone > samples[report.epoch, default: 0] {
                    feed(report.epoch, generation, now)
                    samples[report.epoch] = report.samplesDone
                }
            }
            let named = Set(heartbeat.leases.map(\.epoch))
            for (epoch, row) in rows.leases
            where row.record.worker == frame.worker && row.record.key == key
                && epoch.generation < frame.generation
                && !named.contains(epoch)
            {
                excused.insert(epoch)
            }
        case .release(_, let epoch):
            if rows.leases[epoch]?.record.key == key { excused.insert(epoch) }
        case .fail(let fail):
            if rows.leases[fail.epoch]?.record.key == key { excused.insert(fail.epoch) }
        case .commit, .ask, .announce, .statusRequest, .operatorRequest: break
        }
    }
}
