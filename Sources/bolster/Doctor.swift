import ArgumentParser
import BolsterInference
import Foundation

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is installed, found or missing here, and the command that mends it.",
        discussion: "Exit code 0 when everything that a worker needs is there, 2 otherwise.")

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
}
