import BolsterDataset
import BolsterDeterminism
import BolsterInference
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
    private var captioners: [Int: Captioner] = [:]
    private var ensemble: TeacherEnsemble?

    init(
        manifest: Manifest, manifestDirectory: String, device: Device, threads: Int, cache: String?,
        runtime: InferenceRuntime, log: Logger
    ) throws {
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
    func computeClass(batch: Int) -> String {
        "onnxruntime-\(runtime.version)/\(device.kind)/threads-\(threads)/batch-\(batch)"
    }

    func captioner(_ index: Int) throws -> (Captioner, ModelPackage) {
        let package = try package(manifest.captioners[index].model)
        if let captioner = captioners[index] { return (captioner, package) }
        log.info("loading a captioner", metadata: [LogKey.model: "\(package.name)"])
        try package.verifyFiles()
        let captioner = try Captioner(package, runtime: runtime, device: device, threads: threads)
        try captioner.runProbe()
        captioners[index] = captioner
        return (captioner, package)
    }

    func teachers(_ settings: Manifest.EnsembleSettings) throws -> TeacherEnsemble {
        if let ensemble { return ensemble }
        let teachers = try settings.teachers.map { model in
            let package = try package(model)
            log.info("loading a teacher", metadata: [LogKey.model: "\(package.name)"])
            try package.verifyFiles()
            let teacher = try Teacher(package, runtime: runtime, device: device, threads: threads)
            try teacher.runProbe()
            return (teacher, package)
        }
        let ensemble = try TeacherEnsemble(settings: settings, teachers: teachers)
        self.ensemble = ensemble
        return ensemble
    }

    private func package(_ model: String) throws -> ModelPackage {
        guard let package = packages[model] else {
            throw WorkerError(.wrongManifest, "the manifest names no model \"\(model)\"")
        }
        return package
    }
}
