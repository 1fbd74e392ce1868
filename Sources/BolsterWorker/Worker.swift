import BolsterDataset
import BolsterInference
import BolsterLeasing
import BolsterMessaging
import BolsterRecords
import BolsterStorage
import Foundation
import Logging

/// A worker process on one device: asks for leases, runs the models, stores and commits chunks.
///
/// The thread that calls `run` owns the models and computes; a second one serves the socket; reading and
/// preparing samples has threads of its own.
package final class Worker: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// The run is over, with so many units given up.
        case finished(quarantined: Int, blocked: Int)
        /// Told to leave; the leases are handed back.
        case drained
        /// Told to leave at once; the leases expire.
        case interrupted
        case refused(String)
    }

    private let configuration: WorkerConfiguration
    private let current = CurrentDriver()

    package init(_ configuration: WorkerConfiguration) {
        self.configuration = configuration
    }

    /// The first call lets the worker finish its chunk, hand back its leases and leave; the second ends it.
    package func drain() { current.stop() }

    /// Works until the run is over or the worker is told to leave.
    ///
    /// - Throws: MessagingError, InferenceError or WorkerError when this worker cannot work at all.
    package func run() throws -> Outcome {
        while true {
            if let outcome = try runOneManifest() { return outcome }
            configuration.log.notice("the coordinator has another manifest now; starting anew")
        }
    }

    /// - Returns: nil when the coordinator has another manifest now.
    private func runOneManifest() throws -> Outcome? {
        let runtime = try InferenceRuntime.locate()
        let socket = try DealerSocket(
            connect: configuration.endpoint, identity: Array(identity.utf8), security: configuration.security)
        var session = WorkerSession.Configuration(
            worker: WorkerID(configuration.name), incarnation: incarnation,
            hello: Hello(
                host: configuration.host, labels: configuration.labels,
                device: configuration.device.description,
                computeClass: "onnxruntime-\(runtime.version)/\(configuration.device.kind)",
                program: configuration.program))
        session.giveUpAfter = configuration.giveUpAfter
        session.grace = configuration.grace
        let driver = SessionDriver(configuration, socket: socket, session: WorkerSession(session))
        current.set(driver)
        let network = Thread { driver.run() }
        network.name = "session"
        network.start()
        defer { driver.close() }
        return try Computation(configuration, driver, runtime).run()
    }

    /// Distinguishes this start of the worker from earlier ones of the same name.
    private let incarnation = UInt64(Date().timeIntervalSince1970 * 1000)

    private var identity: String { String("\(configuration.name)#\(incarnation)".suffix(200)) }
}

/// The driver that signals reach, whichever is current.
private final class CurrentDriver: @unchecked Sendable {
    private let lock = NSLock()
    private var driver: SessionDriver?
    private var stops = 0

    func set(_ driver: SessionDriver) {
        lock.lock()
        self.driver = driver
        let stops = self.stops
        lock.unlock()
        for _ in 0..<stops { driver.stop() }
    }

    func stop() {
        lock.lock()
        stops += 1
        let driver = self.driver
        lock.unlock()
        driver?.stop()
    }
}

/// What the compute thread does for one manifest.
private final class Computation {
    private let configuration: WorkerConfiguration
    private let driver: SessionDriver
    private let runtime: InferenceRuntime
    private let log: Logger
    private var runner: UnitRunner?
    private var node = NodeStorage()
    private var models: ModelShelf?
    private var stages: [String: Stage] = [:]
    /// Names of stages whose models are in memory, the last used first.
    private var loaded: [String] = []
    private let troubles: EndpointTroubles

    init(_ configuration: WorkerConfiguration, _ driver: SessionDriver, _ runtime: InferenceRuntime) {
        self.configuration = configuration
        self.driver = driver
        self.runtime = runtime
        self.log = configuration.log
        self.troubles = EndpointTroubles(
            driver: driver, giveUpAfter: configuration.giveUpAfter, log: configuration.log)
    }

    func run() throws -> Worker.Outcome? {
        while true {
            switch try driver.next() {
            case .configure(let welcome):
                try configure(welcome)
                driver.ready()
            case .work(let grant):
                try work(grant)
            case .exit(let exit):
                return try outcome(exit)
            }
        }
    }

    private func outcome(_ exit: WorkerSession.Exit) throws -> Worker.Outcome? {
        switch exit {
        case .finished(let quarantined, let blocked): .finished(quarantined: quarantined, blocked: blocked)
        case .drained: .drained
        case .interrupted: .interrupted
        case .manifestChanged: nil
        case .refused(let refusal): .refused(refusal.message)
        case .unreachable:
            throw WorkerError(
                .refused,
                "no answer from the coordinator: check that it runs, that the address is right, and that this"
                    + " worker's key is on its allow-list", evidence: configuration.endpoint)
        }
    }

    /// Reads the coordinator's manifest and proves that it means the same here.
    private func configure(_ welcome: Welcome) throws {
        let manifest = try Manifest.parse(welcome.manifest, file: "\(welcome.run) (from the coordinator)")
        let models = try ModelShelf(
            manifest: manifest, manifestDirectory: welcome.manifestDirectory, device: configuration.device,
            threads: configuration.threads, cache: configuration.cache,
            probeEvery: configuration.probeEvery, cacheMemory: configuration.cacheMemory, runtime: runtime,
            log: log)
        let selection = try SampleSelection.load(manifest, manifestDirectory: welcome.manifestDirectory)
        let stages = manifest.stages(modelDigests: models.digests, selection: selection)
        let fingerprints = Dictionary(
            welcome.stages.map { ($0.stage, $0.fingerprint) }, uniquingKeysWith: { first, _ in first })
        for stage in stages where fingerprints[stage.id.name] != stage.fingerprint {
            throw WorkerError(
                .mismatch,
                "the stage has another fingerprint here than at the coordinator: this node sees other model"
                    + " packages, or runs another version of bolster", evidence: stage.id.name)
        }
        self.stages = Dictionary(stages.map { ($0.id.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.models = models
        let output = ObjectStore(root: welcome.output)
        node = NodeStorage(configuration, output: output, log: log)
        tellCache(isAtStart: true)
        runner = UnitRunner(
            manifest: manifest, selection: selection, models: models, output: output, node: node,
            threads: configuration.threads, meter: driver.meter, log: log)
    }

    private func work(_ grant: Grant) throws {
        guard let runner, let stage = stages[grant.unit.stage] else {
            throw WorkerError(
                .mismatch, "a lease names a stage that the manifest has not", evidence: grant.unit.stage)
        }
        driver.loading(grant)
        do {
            try runner.load(stage)
        } catch let error as InferenceError where error.code == .probeFailed {
            throw wrongAnswers(error, grant)
        } catch {
            // Not the unit's fault: the lease goes back unharmed, and this worker leaves with the reason.
            driver.ended(grant, .stopped)
            throw error
        }
        loaded = [stage.id.name] + loaded.filter { $0 != stage.id.name }
        driver.loaded(stages: troubles.order(loaded, of: stages.keys))
        let control = LeaseControl(driver, grant)
        let started = ContinuousClock.now
        let before = driver.meter.read()
        do {
            let ranToEnd = try runner.run(stage, grant, control: control)
            if node.mayKeep(grant) { tellCache() }
            let facts = metadata(grant, control, since: started, before)
            ended(grant) { [log] in
                let isWhole = ranToEnd && control.reachedLast(of: grant)
                log.info(isWhole ? "unit done" : "unit handed back", metadata: facts)
                return isWhole ? .complete : .stopped
            }
        } catch let error as WorkerError where error.code == .wrongAnswers {
            node.spool?.wait()
            throw wrongAnswers(error, grant)
        } catch {
            var metadata = metadata(grant, control, since: started, before)
            metadata[LogKey.error] = "\(error)"
            try failed(error, grant, stage, metadata)
        }
    }

    /// Work on a lease ended with an error: the lease goes back, harmed or not.
    ///
    /// - Throws: the error, where this worker can do no other unit either.
    private func failed(
        _ error: any Error, _ grant: Grant, _ stage: Stage, _ metadata: Logger.Metadata
    ) throws {
        switch error {
        case let error as WorkerError where error.code == .unwritable:
            // Another worker may be able to write; this one would only burn the units' attempts.
            node.spool?.wait()
            driver.ended(grant, .stopped)
            throw error
        case let error as WorkerError where error.code == .batchHalved:
            log.warning("no memory for a whole batch: the chunk is begun again", metadata: metadata)
            return ended(grant) { .stopped }
        case let error as WorkerError where EndpointPatience.Trouble(error) != nil:
            node.spool?.wait()
            let isBack = try troubles.handedBack(
                error, grant, stage, lastAnswer: models?.lastAnswer(of: stage), loaded: loaded,
                all: stages.keys, metadata)
            if isBack { return }
        default: break
        }
        log.error("unit failed", metadata: metadata)
        let blame = Self.blame(error)
        ended(grant) { .failed(blame, message: "\(error)", sample: nil) }
    }

    /// The lease is over when all its files are stored; until then the next unit may be worked on. Where they
    /// cannot be, it goes back unharmed.
    private func ended(_ grant: Grant, _ end: @escaping @Sendable () -> WorkerSession.WorkEnd) {
        guard let spool = node.spool else { return driver.ended(grant, end()) }
        driver.computed(grant)
        spool.afterwards { [driver] failure in
            driver.ended(grant, failure == nil ? end() : .stopped)
        }
    }

    /// Tells the session which shards this node has, so that it is given units of these.
    private func tellCache(isAtStart: Bool = false) {
        guard let shards = node.shards?.shards() else { return }
        if !isAtStart || !shards.isEmpty { driver.cached(shards: shards) }
    }

    /// A device that computes wrongly: the coordinator hears its name, and this worker leaves, so that the
    /// device gets no further lease.
    private func wrongAnswers(_ error: any Error, _ grant: Grant) -> any Error {
        let message =
            "\(configuration.device) of \(configuration.host), worker \(configuration.name): \(error)"
        driver.ended(grant, .failed(.device, message: message, sample: nil))
        log.error(
            "this device answers wrongly and gets no more leases",
            metadata: [LogKey.device: "\(configuration.device)", LogKey.error: "\(error)"])
        return error
    }

    private func metadata(
        _ grant: Grant, _ control: LeaseControl, since start: ContinuousClock.Instant,
        _ before: StepMeter.Reading
    ) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            LogKey.stage: "\(grant.unit.stage)", LogKey.shard: "\(grant.shard.name)",
            LogKey.epoch: "\(grant.epoch)", LogKey.samples: "\(control.samples)",
            LogKey.seconds: "\((ContinuousClock.now - start) / .seconds(1))",
        ]
        if let waits = driver.meter.waits(from: before, to: driver.meter.read()) {
            metadata[LogKey.bottleneck] = "\(waits)"
        }
        if let usage = control.usage {
            metadata[LogKey.promptTokens] = "\(usage.prompt)"
            metadata[LogKey.completionTokens] = "\(usage.completion)"
            if let cut = usage.cut { metadata[LogKey.cutCaptions] = "\(cut)" }
        }
        return metadata
    }

    /// Who is at fault, for the coordinator's decision whether another worker may do better.
    private static func blame(_ error: any Error) -> Fail.Class {
        switch error {
        case is DatasetError: .shard
        case is StorageError: .shard
        case is InferenceError: .model
        case let error as WorkerError where EndpointPatience.Trouble(error) != nil: .model
        default: .worker
        }
    }
}
