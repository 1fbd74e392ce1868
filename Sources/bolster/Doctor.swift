import ArgumentParser
import BolsterInference
import BolsterWorker
import Foundation

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is installed, found or missing here, and the command that mends it.",
        discussion: """
            With --model, each package's files are compared with their digests, its graphs are loaded on \
            --device, and its probe is computed and compared. Exit code 0 when everything that a worker \
            needs is there, 2 otherwise.

              bolster doctor --model models/vit-l-14 --model models/coca --device cuda:0
            """)

    @Option(help: "A model package's folder or URL; may be given several times.")
    var model: [String] = []

    @Option(help: "Where the models compute: cpu or cuda:N.")
    var device = "cpu"

    func run() throws {
        try reporting {
            var healthy = true
            func line(_ good: Bool, _ what: String, _ detail: String, mend: String? = nil) {
                print("\(good ? "ok     " : "missing")  \(padded(what, 16)) \(detail)")
                if !good {
                    healthy = false
                    if let mend { print("         mend it with: \(mend)") }
                }
            }
            line(
                true, "bolster",
                "\(BolsterVersion.text), \(ProcessInfo.processInfo.activeProcessorCount) cores")
            do {
                let runtime = try InferenceRuntime.locate()
                line(true, "ONNX Runtime", "\(runtime.version) at \(runtime.libraryPath)")
                line(true, "providers", runtime.providers.joined(separator: ", "))
                for name in model {
                    let faults = Self.faults(ofModel: name, device: device, runtime)
                    for fault in faults { line(false, "model", fault) }
                    if faults.isEmpty { line(true, "model", "\(name): the probe holds on \(device)") }
                }
            } catch {
                line(
                    false, "ONNX Runtime", "\(error)",
                    mend: "tools/setup.sh, or set BOLSTER_ONNXRUNTIME to the library")
            }
            let temporary = FileManager.default.temporaryDirectory.path
            line(
                FileManager.default.isWritableFile(atPath: temporary), "scratch space", temporary,
                mend: "set TMPDIR to a folder that can be written")
            return healthy ? .done : .faulty
        }
    }

    /// Opens a package and computes its probe; what is wrong with it, each damaged file by name.
    private static func faults(
        ofModel name: String, device: String, _ runtime: InferenceRuntime
    ) -> [String] {
        do {
            let package = try PackageSource(name.contains("://") ? name : absolutePath(name)).open(cache: nil)
            let faults = package.faults().map(\.message)
            guard faults.isEmpty else { return faults }
            let device = try Device(parsing: device)
            switch package.kind {
            case .teacher: try Teacher(package, runtime: runtime, device: device, threads: 0).runProbe()
            case .captioner: try Captioner(package, runtime: runtime, device: device, threads: 0).runProbe()
            }
            return []
        } catch {
            return ["\(error)"]
        }
    }
}
