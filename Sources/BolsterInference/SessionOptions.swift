import COnnxRuntime

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
        runtime: InferenceRuntime, device: Device, threads: Int
    ) throws(InferenceError) -> SessionOptions {
        let options = try SessionOptions(runtime: runtime)
        try options.configure(threads: threads)
        if case .cuda(let ordinal) = device { try options.appendCUDA(ordinal) }
        return options
    }

    private borrowing func configure(threads: Int) throws(InferenceError) {
        let table = runtime.table
        try runtime.check(onnx_set_optimization_level(table, handle, 99), "asking for optimisation")
        try runtime.check(onnx_set_intra_op_threads(table, handle, Int32(threads)), "setting the threads")
        try runtime.check(onnx_set_inter_op_threads(table, handle, 1), "setting the threads")
        // Spinning threads steal the cores on which other processes decode images.
        for key in ["session.intra_op.allow_spinning", "session.inter_op.allow_spinning"] {
            try runtime.check(onnx_add_configuration(table, handle, key, "0"), "setting \(key)")
        }
        try runtime.check(
            onnx_set_deterministic_compute(table, handle, true), "asking for deterministic kernels")
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
        let device = String(ordinal)
        let status = device.withCString { device in
            "device_id".withCString { deviceKey in
                "use_tf32".withCString { formatKey in
                    "0".withCString { off in
                        // TF32 keeps ten bits of a product's factors: too few for embeddings within 1e-5.
                        onnx_update_cuda_options(table, options, [deviceKey, formatKey], [device, off], 2)
                    }
                }
            }
        }
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
