import BolsterDataset
import BolsterDeterminism
import BolsterInference
import Foundation
import Logging

/// The models of one worker process on one device: opened when a stage first needs them, proved on their
/// probe, and kept.
final class ModelShelf {
    private let manifest: Manifest
    private let manifestDirectory: String
    private let device: Device
    private let threads: Int
    private let log: Logger
    private let runtime: InferenceRuntime
    private var packages: [String: ModelPackage] = [:]
    private var captioners: [Int: LoadedCaptioner] = [:]
    /// By the captioner's place in the manifest.
    private var pulses: [Int: EndpointPulse] = [:]
    private var ensemble: TeacherEnsemble?
    private let probeEvery: Int
    private let cacheMemory: Int?
    private var schedules: [Models: ProbeSchedule] = [:]

    /// Models that are proved together.
    private enum Models: Hashable {
        case captioner(Int)
        case ensemble
    }

    init(
        manifest: Manifest, manifestDirectory: String, device: Device, threads: Int, cache: String?,
        probeEvery: Int = 0, cacheMemory: Int? = nil, runtime: InferenceRuntime, log: Logger
    ) throws {
        self.cacheMemory = cacheMemory
        self.probeEvery = probeEvery
        self.manifest = manifest
        self.manifestDirectory = manifestDirectory
        self.device = device
        self.threads = threads
        self.runtime = runtime
        self.log = log
        for model in manifest.models where packages[model] == nil {
            let source = PackageSource(manifest.resolve(model, relativeTo: manifestDirectory))
            packages[model] = try source.open(cache: cache)
        }
    }

    /// What decides the fingerprints, by the model's name in the manifest.
    var digests: [String: SHA256Digest] { packages.mapValues(\.digest) }

    /// What has to be equal for two workers' records to be equal to the byte, besides the fingerprint.
    func computeClass(of stage: Stage, batch: Int) -> String {
        if case .captions(let index) = stage.kind, let endpoint = manifest.captioners[index].endpoint {
            return "endpoint/\(endpoint.modelID)"
        }
        return "onnxruntime-\(runtime.version)/\(device.kind)/threads-\(threads)/batch-\(batch)"
    }

    func captioner(_ index: Int) throws -> LoadedCaptioner {
        guard let model = manifest.captioners[index].model else {
            throw WorkerError(
                .wrongManifest, "captioner \"\(manifest.captioners[index].name)\" has no model package")
        }
        let package = try package(model)
        if let captioner = captioners[index] { return captioner }
        log.info("loading a captioner", metadata: [LogKey.model: "\(package.name)"])
        let settings = manifest.captioners[index]
        var times = LoadTimes()
        try package.verifyFiles()
        let captioner = try Captioner(
            package, runtime: runtime, device: device, threads: threads, cacheMemory: cacheMemory)
        let loaded = LoadedCaptioner(captioner, batch: settings.batch)
        times.loaded()
        try captioner.runProbe()
        times.probed()
        try loaded.limit.warmUp(atMost: warmUpMax) {
            try captioner.warmUp(slots: $0, maxLength: settings.decoding.captionDecoding.maxLength)
        }
        times.warmedUp()
        log.info("a captioner is ready", metadata: times.metadata(of: package.name, on: device))
        captioners[index] = loaded
        schedules[.captioner(index)] = ProbeSchedule(every: probeEvery, loaded: Date())
        return loaded
    }

    /// A captioner's server, and what it is asked. Nothing is sent yet.
    ///
    /// - Throws: `wrongEnvironment` where the manifest names a variable for the key that is not set.
    func endpoint(_ index: Int) throws -> (ChatEndpoint, EndpointSettings) {
        guard let settings = manifest.captioners[index].endpoint else {
            throw WorkerError(
                .wrongManifest, "captioner \"\(manifest.captioners[index].name)\" has no endpoint")
        }
        let variable = settings.keyVariable ?? Self.keyVariable
        let key = ProcessInfo.processInfo.environment[variable].flatMap { $0.isEmpty ? nil : $0 }
        if settings.keyVariable != nil, key == nil {
            throw WorkerError(
                .wrongEnvironment,
                "the manifest's key_variable names an environment variable that is not set for this worker",
                evidence: variable)
        }
        let endpoint = ChatEndpoint(
            ChatEndpoint.Settings(
                url: settings.url, modelID: settings.modelID, apiKey: key,
                temperature: settings.sampling.temperature, topP: settings.sampling.topP,
                maxTokens: settings.sampling.maxTokens, timeout: settings.timeout,
                attempts: settings.attempts, outage: settings.outage), pulse: pulse(of: index))
        return (endpoint, settings)
    }

    private func pulse(of index: Int) -> EndpointPulse {
        if let pulse = pulses[index] { return pulse }
        let pulse = EndpointPulse()
        pulses[index] = pulse
        return pulse
    }

    /// When the endpoint that a stage asks last answered this worker; nil for never, and for other stages.
    func lastAnswer(of stage: Stage) -> ContinuousClock.Instant? {
        guard case .captions(let index) = stage.kind else { return nil }
        return pulses[index]?.lastAnswer
    }

    /// Rows that models compute before the first lease counts; nil for a whole batch. A GPU chooses kernels
    /// and takes memory by the batch's shape; a CPU has both from the probe's sixteen rows, and a whole batch
    /// would cost it what the first lease's does.
    private var warmUpMax: Int? { device == .cpu ? 1 : nil }

    /// Holds the API key of an endpoint where the manifest names no other variable.
    private static let keyVariable = "BOLSTER_CAPTIONER_KEY"

    func teachers(_ settings: Manifest.EnsembleSettings) throws -> TeacherEnsemble {
        if let ensemble { return ensemble }
        var times = LoadTimes()
        let teachers = try settings.teachers.map { model in
            let package = try package(model)
            log.info("loading a teacher", metadata: [LogKey.model: "\(package.name)"])
            try package.verifyFiles()
            return (try Teacher(package, runtime: runtime, device: device, threads: threads), package)
        }
        let ensemble = try TeacherEnsemble(settings: settings, teachers: teachers)
        times.loaded()
        try ensemble.runProbe()
        times.probed()
        try ensemble.warmUp(atMost: warmUpMax)
        times.warmedUp()
        let names = teachers.map(\.1.name).joined(separator: ", ")
        log.info("the teachers are ready", metadata: times.metadata(of: names, on: device))
        self.ensemble = ensemble
        schedules[.ensemble] = ProbeSchedule(every: probeEvery, loaded: Date())
        return ensemble
    }

    /// One more chunk of the stage is computed; every so many the models are proved again.
    ///
    /// - Throws: `wrongAnswers` with what to invalidate, when the device answers otherwise than before.
    func chunkComputed(of stage: Stage) throws {
        let models: Models
        switch stage.kind {
        case .captions(let index): models = .captioner(index)
        case .views, .groundTruthTexts, .captionTexts: models = .ensemble
        }
        guard schedules[models]?.chunkComputed() == true else { return }
        do {
            switch models {
            case .captioner(let index): try captioners[index]?.model.runProbe()
            case .ensemble: try ensemble?.runProbe()
            }
            schedules[models]?.passed(at: Date())
        } catch {
            let chunks = schedules[models]?.chunks ?? 0
            let since = ISO8601DateFormatter().string(from: schedules[models]?.lastGood ?? Date())
            throw WorkerError(
                .wrongAnswers,
                "\(device) answered rightly until \(since) and answers wrongly now; "
                    + "\(chunks) chunks are in doubt: reopen them with `bolster invalidate --worker NAME "
                    + "--since \(since)`", evidence: stage.id.name, cause: error)
        }
    }

    private func package(_ model: String) throws -> ModelPackage {
        guard let package = packages[model] else {
            throw WorkerError(.wrongManifest, "the manifest names no model \"\(model)\"")
        }
        return package
    }
}

/// A captioner on its device, and how many captions it decodes at once there.
final class LoadedCaptioner {
    let model: Captioner
    var limit: BatchLimit

    init(_ model: Captioner, batch: Int) {
        self.model = model
        self.limit = BatchLimit(rows: batch)
    }
}
