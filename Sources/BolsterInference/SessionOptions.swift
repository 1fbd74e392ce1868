import COnnxRuntime
import Glibc

/// How a graph is loaded: threads, the device's provider, and what keeps results equal from run to run.
struct SessionOptions: ~Copyable {
    let handle: OpaquePointer
    private let runtime: InferenceRuntime

    /// The runtime's defaults.
    private init(runtime: InferenceRuntime) throws(InferenceError) {
        var options: OpaquePointer?
        try runtime.check(onnx_create_session_options(runtime.table, &options), "making session options")
        guard let options else { throw InferenceError(.runFailed, "no session options were made") }
        handle = options
        self.runtime = runtime
    }

    deinit { onnx_release_session_options(runtime.table, handle) }

    /// `threads` is the number of threads inside one operator, 0 for one per core.
    static func make(
        runtime: InferenceRuntime, device: Device, threads: Int, precision: ModelPackage.Precision
    ) throws(InferenceError) -> SessionOptions {
        let options = try SessionOptions(runtime: runtime)
        // ONNX Runtime 1.32's layout optimiser for the CPU, the third level, crashes on convolutions in
        // half precision.
        try options.configure(threads: threads, optimization: precision == .fp32 ? 99 : 2)
        if case .cuda(let ordinal) = device { try options.appendCUDA(ordinal) }
        return options
    }

    private borrowing func configure(threads: Int, optimization: Int32) throws(InferenceError) {
        let table = runtime.table
        try runtime.check(
            onnx_set_optimization_level(table, handle, optimization), "asking for optimisation")
        try runtime.check(onnx_set_intra_op_threads(table, handle, Int32(threads)), "setting the threads")
        try runtime.check(onnx_set_inter_op_threads(table, handle, 1), "setting the threads")
        // Spinning threads steal the cores on which other processes decode images.
        for key in ["session.intra_op.allow_spinning", "session.inter_op.allow_spinning"] {
            try runtime.check(onnx_add_configuration(table, handle, key, "0"), "setting \(key)")
        }
        try runtime.check(
            onnx_set_deterministic_compute(table, handle, true), "asking for deterministic kernels")
    }

    /// Settings of the CUDA provider, as ONNX Runtime's documentation of it names them.
    static func cudaSettings(_ ordinal: Int) -> [(key: String, value: String)] {
        [
            ("device_id", String(ordinal)),
            // TF32 keeps ten bits of a product's factors: too few for embeddings within 1e-5.
            ("use_tf32", "0"),
            // Trying every algorithm out takes minutes, and picks another one in another run.
            ("cudnn_conv_algo_search", "HEURISTIC"),
            // Doubling what is held at each extension would fill the device that others use too.
            ("arena_extend_strategy", "kSameAsRequested"),
        ]
    }

    private borrowing func appendCUDA(_ ordinal: Int) throws(InferenceError) {
        guard runtime.providers.contains("CUDAExecutionProvider") else {
            throw InferenceError(
                .providerMissing,
                "cuda:\(ordinal) was asked for, but ONNX Runtime \(runtime.version) at "
                    + "\(runtime.libraryPath) offers only \(runtime.providers.joined(separator: ", ")): "
                    + "point \(InferenceRuntime.environmentVariable) to onnxruntime-gpu, or use cpu",
                file: runtime.libraryPath)
        }
        let table = runtime.table
        var options: OpaquePointer?
        try runtime.check(onnx_create_cuda_options(table, &options), "making CUDA options")
        defer { onnx_release_cuda_options(table, options) }
        // All in one call: what a call does not name gets its default back.
        let settings = Self.cudaSettings(ordinal)
        let keys = settings.map { strdup($0.key) }
        let values = settings.map { strdup($0.value) }
        defer { for text in keys + values { free(text) } }
        let status = onnx_update_cuda_options(
            table, options, keys.map { UnsafePointer($0) }, values.map { UnsafePointer($0) },
            settings.count)
        try runtime.check(status, "choosing cuda:\(ordinal)")
        do {
            try runtime.check(onnx_append_cuda(table, handle, options), "using cuda:\(ordinal)")
        } catch {
            throw InferenceError(
                .providerMissing, "cuda:\(ordinal) cannot be used: \(error.message)",
                file: runtime.libraryPath, cause: error)
        }
    }
}
