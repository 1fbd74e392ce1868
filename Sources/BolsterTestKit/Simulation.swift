import BolsterCoordinator
import BolsterLeasing
import BolsterMessaging

/// A whole run in one thread and in virtual time. Ledger, coordinator's core, worker sessions, messages and
/// the replay of the journal are the production code; network, disks, processes and clocks are simulated,
/// with every fault that the scenario has. The same seed gives the same run.
///
///     faults ──► processes, disks, links, clocks
///     WorkerProcess ──frames──► network ──► CoordinatorProcess ──changes──► StateDisk ──► answers
///          └──── record files ──► OutputStore ◄── generations, copies ──┘
///                      every step ──► Observation ──► [Invariant]
///
/// Until `scenario.calmAt` faults happen; then all is mended and the run has to end.
package final class Simulation {
    enum Event {
        case fault(Fault)
        case mend(Mending)
        case calm
        case startCoordinator(host: Int)
        case takeOver(host: Int, process: Int)
        case serve(coordinator: Int)
        case synchronised(coordinator: Int)
        case startWorker(slot: Int)
        case tick(worker: Int)
        case step(worker: Int, token: Int)
        case uploaded(worker: Int, upload: Int)
        case toCoordinator(host: Int, CoordinatorProcess.Waiting)
        case toWorker(Int, host: Int, CoordinatorFrame)
    }

    package struct Counts: Sendable {
        package var events = 0
        package var frames = 0
        package var faults = 0
        package var coordinators = 0
        package var workers = 0
        package var secondLeases = 0
        package var skipped = 0
        package var quarantined = 0
        package var reopened = 0
        package var virtualSeconds = 0.0

        package init() {}
    }

    /// A machine that coordinators may start on.
    struct Host {
        var disk = StateDisk()
        var process: Int?
        var takeover: Takeover?
        var isCutFromStore = false
    }

    /// A place where a worker runs, and is started again.
    struct Slot {
        var name: String
        var key: String?
        var restarts = 0
        /// Milliseconds that its wall clock is off.
        var wallOffset = 0
        var isStarting = false
    }

    package let scenario: Scenario
    let canary: Canary?
    let trace: ((String) -> Void)?
    let invariants: [any Invariant]
    var random: SeededRandom
    package internal(set) var now: Duration = .zero
    package internal(set) var counts = Counts()
    var events = EventQueue<Event>()
    var store = OutputStore()
    var hosts = [Host()]
    /// Where a coordinator is started next, and where new workers connect.
    var currentHost = 0
    var slots: [Slot] = []
    var coordinators: [Int: CoordinatorProcess] = [:]
    var workers: [Int: WorkerProcess] = [:]
    var nextProcess = 1
    /// Links that carry nothing until then, by slot and direction.
    var cutToCoordinator: [Int: Duration] = [:]
    var cutToWorker: [Int: Duration] = [:]
    /// What the forger may repeat.
    var overheard: [WorkerFrame] = []
    var failuresLeft: [UnitID: Int]
    var isOver = false

    /// - Parameter watching: checks beside those that every run is held to.
    package init(
        _ scenario: Scenario, canary: Canary? = nil, watching: [any Invariant] = [],
        trace: ((String) -> Void)? = nil
    ) {
        self.scenario = scenario
        self.canary = canary
        self.trace = trace
        // Another stream than the one that drew the scenario.
        random = SeededRandom(seed: scenario.seed ^ 0x5DEE_CE66_D1CE_4E5B)
        invariants = BolsterTestKit.invariants(of: scenario) + watching
        failuresLeft = scenario.failures
        slots = (0..<scenario.workers).map {
            Slot(name: "node\($0)/cpu", key: scenario.hasKeys ? "key\($0)" : nil)
        }
    }

    var isCalm: Bool { now >= scenario.calmAt }

    /// Runs to the end of the run, and checks what must hold.
    ///
    /// - Throws: Violation.
    package func run() throws {
        events.insert(.startCoordinator(host: 0), due: .zero)
        for slot in slots.indices {
            slots[slot].isStarting = true
            events.insert(.startWorker(slot: slot), due: random.time(0, 5))
        }
        for fault in Fault.allCases { plan(fault) }
        events.insert(.calm, due: scenario.calmAt)
        while !isOver, let (due, event) = events.next() {
            now = due
            guard now < scenario.endsBefore else {
                throw Violation("every-run-ends", "at \(now) the run is not over")
            }
            counts.events += 1
            try handle(event)
        }
        guard isOver else {
            throw Violation("every-run-ends", "nothing is left to happen, and it is not over")
        }
        let end = EndOfRun(rows: hosts[currentHost].disk.rows, records: store.records)
        for invariant in invariants { try invariant.concluded(end, now: now) }
        counts.skipped = end.rows.finished.values.reduce(0) { $0 + $1.skipped }
        counts.virtualSeconds = now / .seconds(1)
        counts.quarantined = end.rows.troubles.values.count(where: \.isQuarantined)
    }

    private func handle(_ event: Event) throws {
        switch event {
        case .fault(let fault): try happen(fault)
        case .mend(let mending): mend(mending)
        case .calm: becomeCalm()
        case .startCoordinator(let host): try startCoordinator(host)
        case .takeOver(let host, let process): try takeOver(host, process)
        case .serve(let number): try serve(number)
        case .synchronised(let number): try synchronised(number)
        case .startWorker(let slot): try startWorker(slot, isTwin: false)
        case .tick(let number): try tick(number)
        case .step(let number, let token): try step(number, token)
        case .uploaded(let number, let upload): try uploaded(number, upload)
        case .toCoordinator(let host, let waiting): arrive(host, waiting)
        case .toWorker(let number, let host, let frame): try deliver(frame, to: number, from: host)
        }
    }

    // MARK: What everybody uses

    func observe(_ observation: Observation) throws(Violation) {
        for invariant in invariants { try invariant.observe(observation, now: now) }
    }

    func note(_ text: @autoclosure () -> String) {
        guard let trace else { return }
        let seconds = now / .seconds(1)
        trace("\(seconds) \(text())")
    }

    func newProcess() -> Int {
        defer { nextProcess += 1 }
        return nextProcess
    }

    func newClock() -> SkewedClock {
        SkewedClock(
            rate: 1 + (random.fraction() * 2 - 1) * scenario.faults.skew, offset: random.time(0, 1_000_000))
    }

    // MARK: Network

    /// Puts a message on its way: it may be lost, doubled, or late, and overtake others.
    func transmit(_ event: Event, isCut: Bool) {
        counts.frames += 1
        let faults = scenario.faults
        if !isCalm, isCut || random.chance(faults.drop) { return }
        let copies = !isCalm && random.chance(faults.duplicate) ? 2 : 1
        for _ in 0..<copies {
            let isSlow = !isCalm && random.chance(faults.slow)
            events.insert(event, due: now + (isSlow ? random.time(0, 12) : random.time(0.0002, 0.02)))
        }
    }

    func send(_ frame: WorkerFrame, from worker: WorkerProcess) {
        if scenario.faults.forger > 0 {
            overheard.append(frame)
            if overheard.count > 32 { overheard.removeFirst() }
        }
        let waiting = CoordinatorProcess.Waiting(
            process: worker.number, key: worker.key, frame: frame, bytes: frame.encode())
        transmit(
            .toCoordinator(host: worker.target, waiting),
            isCut: cutToCoordinator[worker.slot].map { $0 > now } ?? false)
    }

    private func arrive(_ host: Int, _ waiting: CoordinatorProcess.Waiting) {
        guard let number = hosts[host].process, let coordinator = coordinators[number] else { return }
        coordinator.waiting.append(waiting)
        wake(coordinator)
    }
}
