import BolsterDeterminism
import BolsterOracles
import Foundation

@testable import BolsterInference

/// The models that the tests run: the demo's, which are committed, and tiny random ones that
/// generate_models.py makes with PyTorch once per version of itself and of the exporter.
enum TestModels {
    static let runtime: InferenceRuntime? = {
        do {
            return try InferenceRuntime.locate()
        } catch {
            print("skipped: \(error)")
            return nil
        }
    }()

    static let hasRuntime = runtime != nil
    static let canGenerate = hasRuntime && PythonOracle.hasExporter

    /// Folder with `teacher`, `captioner`, both again with `-half`, `siglip`, `clipa`, `xlm-roberta`,
    /// `roberta`, and `reference.npz`.
    static let generated: Result<String, any Error> = Result {
        var hasher = SHA256Hasher()
        let here = Python.checkout.appendingPathComponent("Tests/BolsterInferenceTests")
        let generator = here.appendingPathComponent("generate_models.py")
        let tools = [
            "export_openclip", "openclip_captioner", "openclip_graphs", "openclip_loading", "openclip_text",
            "onnx_graphs",
        ].map {
            Python.checkout.appendingPathComponent("tools/\($0).py")
        }
        for file in [generator] + tools { hasher.update([UInt8](try Data(contentsOf: file))) }
        let name = "bolster-test-models-\(hasher.finalize().hex.prefix(16))"
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(name)
        if FileManager.default.fileExists(atPath: folder.path) { return folder.path }
        let scratch = folder.appendingPathExtension(UUID().uuidString)
        try Python.run([generator.path, scratch.path])
        if FileManager.default.fileExists(atPath: folder.path) {
            try FileManager.default.removeItem(at: scratch)
        } else {
            try FileManager.default.moveItem(at: scratch, to: folder)
        }
        return folder.path
    }

    /// Whether models of real size are made and run: gigabytes and minutes.
    static let isFull = ProcessInfo.processInfo.environment["BOLSTER_FULL"] == "1"

    /// A ViT-L/14 with random weights, or the package that BOLSTER_LARGE_TEACHER names.
    static func large() throws -> ModelPackage {
        if let given = ProcessInfo.processInfo.environment["BOLSTER_LARGE_TEACHER"] {
            return try ModelPackage(directory: given)
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bolster-test-vit-l-14")
            .path
        if !FileManager.default.fileExists(atPath: folder + "/model.json") {
            let exporter = Python.checkout.appendingPathComponent("tools/export_openclip.py").path
            try Python.run([exporter, "--model", "ViT-L-14", "--out", folder])
        }
        return try ModelPackage(directory: folder)
    }

    static func package(_ name: String) throws -> ModelPackage {
        try ModelPackage(directory: try generated.get() + "/" + name)
    }

    static func reference() throws -> NumPyArchive {
        let file = try generated.get() + "/reference.npz"
        return try NumPyArchive(file: file, bytes: try PackageFile.bytes(of: file, atMost: 1 << 24))
    }

    static func demo(_ name: String) throws -> ModelPackage {
        try ModelPackage(
            directory: Python.checkout.appendingPathComponent("manifests/demo/models/\(name)").path)
    }

    /// A copy of a demo package whose files may be changed; removed at the end of the body.
    static func withCopy(of name: String, _ body: (String) throws -> Void) throws {
        let scratch = try ScratchFolder()
        defer { withExtendedLifetime(scratch) {} }
        let copy = scratch.path + "/" + name
        try FileManager.default.copyItem(atPath: try demo(name).directory, toPath: copy)
        try body(copy)
    }
}
