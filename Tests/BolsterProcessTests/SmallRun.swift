import BolsterOracles
import Foundation

/// A run of one of the demo's teachers over one of its shards: seconds of work, every kind of process.
struct SmallRun {
    let folder: ScratchFolder
    var shards = Program.checkout + "/manifests/demo/shards/0000.tar"
    var teacher = Program.checkout + "/manifests/demo/models/teacher-a"
    /// Appended to the manifest as it is.
    var more = ""

    init() throws { folder = try ScratchFolder() }

    var manifest: String { folder.path + "/small.yaml" }
    var output: String { folder.path + "/out" }

    var text: String {
        """
        name: small
        seed: 1
        chunk: 16
        input: {shards: "\(shards)"}
        output: \(output)
        ensemble:
          teachers: ["\(teacher)"]
          views: 2
          batch: 16
          augmentation:
            random_resized_crop: {size: 64, interpolation: bicubic}
            to_tensor: {enable: true}
        merge: {format: webdataset, layout: split, embeddings: npz, images: include, require: all}
        \(more)

        """
    }

    func write(_ text: String? = nil) throws {
        try (text ?? self.text).write(toFile: manifest, atomically: true, encoding: .utf8)
    }

    /// Writes the manifest and runs it with one worker.
    func run(
        _ arguments: [String] = [], output: String? = nil, environment: [String: String] = [:]
    ) throws -> Program.Result {
        try write()
        return try Program.run(
            ["run", manifest, "--workers", "1", "--output", output ?? self.output] + arguments,
            environment: environment)
    }

    /// The files below a folder whose name speaks of something half written.
    static func leftovers(below folder: String) -> [String] {
        let names =
            FileManager.default.enumerator(atPath: folder)?.allObjects.compactMap { $0 as? String } ?? []
        return names.filter { $0.contains(".tmp") || $0.contains(".partial") }
    }
}
