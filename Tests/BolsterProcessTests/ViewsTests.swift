import BolsterOracles
import Foundation
import Testing

/// `bolster views` on the demo's own images, recomputed by Pillow and torchvision from the parameters that it
/// wrote.
@Suite(
    .enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"),
    .enabled(if: ViewsOracle.isPossible, "BOLSTER_PYTHON needs NumPy, Pillow, torch and torchvision"))
struct ViewsTests {
    private static let configuration = """
        {"random_resized_crop": {"size": [80, 64], "scale": [0.2, 1.0], "interpolation": "bicubic"},
         "random_horizontal_flip": {"p": 0.5}, "rand_augment": {"p": 1.0, "num_ops": 2},
         "to_tensor": {}, "random_erase": {"p": 0.5},
         "normalize": {"mean": [0.48145466, 0.4578275, 0.40821073],
                       "std": [0.26862954, 0.26130258, 0.27577711]}}
        """
    private static let kinds = ["jpg", "png", "webp"]

    private let folder: ScratchFolder
    private var config: String { folder.path + "/augmentation.json" }
    private var out: String { folder.path + "/views" }
    private var images: [String] { Self.kinds.map { folder.path + "/demo-\($0).\($0)" } }

    init() throws {
        folder = try ScratchFolder()
        try Self.configuration.write(toFile: config, atomically: true, encoding: .utf8)
        let shards = (0..<4).map { Program.checkout + "/manifests/demo/shards/000\($0).tar" }
        let picked = try ViewsOracle.run(["pick", folder.path] + shards)
        try #require(picked.status == 0, "\(picked.output)")
    }

    private func views(_ images: [String], _ more: [String] = []) throws -> Program.Result {
        try Program.run(["views"] + images + ["--config", config, "--out", out] + more)
    }

    private func bytes(_ name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: out + "/" + name))
    }

    @Test("Views of JPEG, PNG and WebP are Pillow's and torchvision's", arguments: ["png", "npy"])
    func equal(_ format: String) throws {
        let result = try views(images, ["--format", format, "--count", "6", "--seed", "3"])
        #expect(result.status == 0, "\(result.errors)")
        let checked = try ViewsOracle.run(["check", out, config] + images)
        #expect(checked.status == 0 && checked.output == "18 views equal\n", "\(checked.output)")
        for kind in Self.kinds {
            let sheet = try bytes("demo-\(kind).sheet.png")
            #expect(sheet.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: out)
        #expect(files.count == 3 * (6 + 2), "\(files)")
    }

    @Test("Stored parameters give the same views again, another seed gives others")
    func reapplied() throws {
        let image = images[0]
        #expect(try views([image], ["--count", "3"]).status == 0)
        let first = try (0..<3).map { try bytes("demo-jpg.\($0).png") }
        let parameters = try bytes("demo-jpg.paug.json")
        let stored = folder.path + "/stored.json"
        try parameters.write(to: URL(fileURLWithPath: stored))
        #expect(try views([image], ["--params", stored, "--seed", "9"]).status == 0)
        #expect(try (0..<3).map { try bytes("demo-jpg.\($0).png") } == first)
        #expect(try bytes("demo-jpg.paug.json") == parameters)
        #expect(try views([image], ["--count", "3", "--seed", "9"]).status == 0)
        #expect(try bytes("demo-jpg.paug.json") != parameters)
    }

    @Test("A decompression bomb is skipped with its reason and exit code 2, the other image is written")
    func hostile() throws {
        let bomb = folder.path + "/bomb.png"
        let result = try views([bomb, images[1]], ["--count", "2"])
        #expect(result.status == 2, "\(result.errors)")
        #expect(result.errors.contains(bomb) && result.errors.contains("image_too_large"), "\(result.errors)")
        let files = try FileManager.default.contentsOfDirectory(atPath: out).sorted()
        let names = ["demo-png.0.png", "demo-png.1.png", "demo-png.paug.json", "demo-png.sheet.png"]
        #expect(files == names)
        let checked = try ViewsOracle.run(["check", out, config, images[1]])
        #expect(checked.status == 0 && checked.output == "2 views equal\n", "\(checked.output)")
    }
}

/// `tools/oracles/views.py` under the Python of `BOLSTER_PYTHON`.
private enum ViewsOracle {
    static let isPossible = Python.has("numpy", "PIL", "torch", "torchvision")

    /// What it wrote to standard output and, behind it, to standard error.
    static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let script = Program.checkout + "/tools/oracles/views.py"
        let outcome = try OtherProgram.run([Python.interpreter, script] + arguments)
        return (outcome.status, outcome.allText)
    }
}
