import COnnxRuntime
import Foundation

/// ONNX Runtime, loaded into this process. It is found at run time, so the binary starts on machines
/// without it, and stays loaded until the process ends, because its threads may outlive every session.
package struct InferenceRuntime: Sendable {
    /// The environment variable that names the library, or a folder that holds it.
    package static let environmentVariable = "BOLSTER_ONNXRUNTIME"

    /// What was loaded: a path, or a name that the system's loader found.
    package let libraryPath: String
    /// For example "1.32.0".
    package let version: String
    /// Names such as "CPUExecutionProvider", in the runtime's order of preference.
    package let providers: [String]

    nonisolated(unsafe) let table: OpaquePointer
    nonisolated(unsafe) let environment: OpaquePointer

    /// Loads the library at a path, or of a name that the system's loader knows.
    package init(libraryPath: String) throws(InferenceError) {
        var table: OpaquePointer?
        var version: UnsafePointer<CChar>?
        var detail = [CChar](repeating: 0, count: 1024)
        let opening = onnx_open(libraryPath, &table, &version, &detail, detail.count)
        let words = String(
            decoding: detail.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard opening == ONNX_OPENED, let table, let version else {
            switch opening {
            case ONNX_NO_LIBRARY:
                throw InferenceError(
                    .runtimeMissing, "\(libraryPath) cannot be loaded: \(words)", file: libraryPath)
            case ONNX_TOO_OLD:
                throw InferenceError(
                    .runtimeUnusable,
                    "\(libraryPath) is ONNX Runtime \(words); 1.\(ONNX_API_LEVEL) or newer is needed: run "
                        + "tools/setup.sh", file: libraryPath)
            default:
                throw InferenceError(
                    .runtimeUnusable, "\(libraryPath) is not ONNX Runtime: \(words)", file: libraryPath)
            }
        }
        self.libraryPath = libraryPath
        self.version = String(cString: version)
        self.table = table
        var environment: OpaquePointer?
        try Self.check(
            onnx_create_environment(table, 3, "bolster", &environment), table, "starting ONNX Runtime")
        guard let environment else {
            throw InferenceError(.runtimeUnusable, "\(libraryPath) made no environment", file: libraryPath)
        }
        self.environment = environment
        self.providers = try Self.availableProviders(table)
    }

    /// Finds and loads the runtime: the environment variable first (and, where it is set, nothing else),
    /// then beside the executable, then `.tools/onnxruntime/lib` of a checkout above it, then the names
    /// that the system's loader knows.
    ///
    /// - Parameters:
    ///   - environment: the process's environment variables.
    ///   - executable: path of the running program.
    /// - Throws: `runtimeMissing` with every place looked at and the command that mends it.
    package static func locate(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        executable: String = RuntimeSearch.currentExecutable
    ) throws(InferenceError) -> InferenceRuntime {
        let search = RuntimeSearch(environment: environment, executable: executable)
        var attempts: [String] = []
        for place in search.places {
            guard let library = place.library else {
                attempts.append("  \(place.described): nothing there")
                continue
            }
            do {
                return try InferenceRuntime(libraryPath: library)
            } catch  where error.code == .runtimeMissing {
                attempts.append("  \(place.described): \(error.message)")
            }
        }
        throw InferenceError(
            .runtimeMissing,
            "ONNX Runtime was not found. Looked at:\n" + attempts.joined(separator: "\n")
                + "\nRun tools/setup.sh, which installs it under .tools/onnxruntime, or set "
                + "\(environmentVariable) to libonnxruntime.so or its folder.")
    }

    /// Turns a status into an error, and frees it.
    func check(_ status: OpaquePointer?, _ doing: @autoclosure () -> String) throws(InferenceError) {
        try Self.check(status, table, doing())
    }

    private static func check(
        _ status: OpaquePointer?, _ table: OpaquePointer, _ doing: @autoclosure () -> String
    ) throws(InferenceError) {
        guard let status else { return }
        let words = onnx_status_message(table, status).map { String(cString: $0) } ?? "no reason given"
        let code = onnx_status_code(table, status)
        onnx_release_status(table, status)
        throw InferenceError(
            namesLackOfMemory(words) ? .outOfMemory : .runFailed,
            "\(doing()): ONNX Runtime says \"\(words)\" (code \(code))")
    }

    /// Whether a status speaks of exhausted memory. The runtime has no code of its own for it: these are
    /// the words of its allocators (bfc_arena.cc), of C++ and of CUDA, cuBLAS and cuDNN.
    static func namesLackOfMemory(_ words: String) -> Bool {
        let signs = [
            "failed to allocate memory", "available memory of", "bad_alloc", "bad allocation",
            "out of memory", "cudaerrormemoryallocation", "cublas_status_alloc_failed",
            "cudnn_status_alloc_failed",
        ]
        let lowered = words.lowercased()
        return signs.contains { lowered.contains($0) }
    }

    private static func availableProviders(_ table: OpaquePointer) throws(InferenceError) -> [String] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        var count: Int32 = 0
        try check(onnx_available_providers(table, &names, &count), table, "listing the providers")
        guard let names else { return [] }
        let providers = (0..<Int(count)).map { index in names[index].map { String(cString: $0) } ?? "" }
        try check(onnx_release_available_providers(table, names, count), table, "freeing the providers")
        return providers
    }
}
