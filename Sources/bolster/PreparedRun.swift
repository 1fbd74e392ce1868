import BolsterDataset
import BolsterDeterminism
import BolsterInference
import BolsterStorage
import BolsterWorker
import Foundation

/// A manifest with everything it names found: what plan, run, coordinate and merge begin with.
struct PreparedRun {
    let file: String
    let text: String
    /// Absolute; relative paths of the manifest start here.
    let directory: String
    let manifest: Manifest
    private(set) var shards: [Shard]
    /// By the model's name in the manifest.
    let packages: [String: ModelPackage]
    let stages: [Stage]
    /// What `input.keep` names; nil for all samples.
    let selection: SampleSelection?
    /// The run's folder, absolute.
    private(set) var output: String

    /// - Parameters:
    ///   - output: takes the place of the manifest's `output`, relative to the working directory.
    ///   - settings: "merge.KEY=VALUE" each, in the place of what the manifest says.
    /// - Throws: ManifestErrors, StorageError or InferenceError, each naming the file concerned.
    init(manifest file: String, output: String?, settings: [String] = []) throws {
        let path = absolutePath(file)
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw CommandError(
                FileManager.default.fileExists(atPath: path)
                    ? "the manifest \(file) cannot be read as UTF-8 text: \(error.localizedDescription)"
                    : "there is no manifest \(file): give the path of a YAML file, such as "
                        + "manifests/demo.yaml"
            )
        }
        let manifest = try Manifest.parse(text, file: file, settings: settings)
        let directory = (path as NSString).deletingLastPathComponent
        self.file = file
        self.text = text
        self.directory = directory
        self.manifest = manifest
        var packages: [String: ModelPackage] = [:]
        for model in manifest.models {
            let source = PackageSource(manifest.resolve(model, relativeTo: directory))
            packages[model] = try source.describe().package
        }
        self.packages = packages
        self.selection = try SampleSelection.load(manifest, manifestDirectory: directory)
        self.stages = manifest.stages(modelDigests: packages.mapValues(\.digest), selection: selection)
        self.shards = try InputShards.find(patterns: manifest.input.shards, manifestDirectory: directory)
        self.output =
            output.map(absolutePath)
            ?? absolutePath(manifest.resolve(manifest.output, relativeTo: directory))
    }

    /// The teachers' packages in the ensemble's order.
    var teachers: [ModelPackage] {
        (manifest.ensemble?.teachers ?? []).compactMap { packages[$0] }
    }

    var defaultDataset: String { output + "/dataset" }

    /// The same stages over other shards, with another output.
    func moved(to output: String, shards: [Shard]) -> PreparedRun {
        var run = self
        (run.output, run.shards) = (output, shards)
        return run
    }

    /// Whether the run's folder is one of this machine's file systems.
    var isLocal: Bool { ObjectStore(root: output).isLocal }

    /// Where `run` keeps the ledger: SQLite needs a folder.
    var defaultState: String { isLocal ? output + "/state" : absolutePath("\(manifest.name).state") }
}

/// A mistake in how a verb was called that only the files show.
struct CommandError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A path from the working directory, in full; addresses such as s3://bucket/prefix stay as they are.
func absolutePath(_ path: String) -> String {
    if path.contains("://") {
        let end = path.lastIndex { $0 != "/" } ?? path.startIndex
        return String(path[...end])
    }
    let full = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    return (full as NSString).standardizingPath
}
