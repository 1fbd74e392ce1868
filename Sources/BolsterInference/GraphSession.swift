import COnnxRuntime

/// Element types that Bolster's graphs use, with ONNX's numbers.
enum TensorElement: Int32 {
    case float32 = 1
    case int64 = 7
    case float16 = 10
    case bfloat16 = 16

    var byteCount: Int {
        switch self {
        case .float16, .bfloat16: 2
        case .float32: 4
        case .int64: 8
        }
    }

    var name: String {
        switch self {
        case .float32: "float32"
        case .int64: "int64"
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        }
    }
}

/// One input or output of a graph as the graph declares it; a dimension of -1 is free.
struct TensorDeclaration: Equatable {
    let name: String
    let element: Int32
    let dimensions: [Int]
}

/// One loaded ONNX graph with its input and output memory. The memory is ours, is given to the graph by
/// IO binding, and is reused by every run: a run copies nothing on the CPU provider.
///
///     bind("pixels", [8, 3, 224, 224]) ─► floats("pixels") written ─► run() ─► floats("embedding")
///
/// On a GPU, `residents` lie in the device's memory and never leave it; the runtime carries the other
/// tensors over at each run. Belongs to one thread. Noncopyable: it frees the session, the binding and the
/// memory.
struct GraphSession: ~Copyable {
    /// Memory bound under one name, of which the shape may use less.
    struct BoundTensor {
        let memory: TensorMemory
        /// Whether the session allocated the memory and frees it.
        let isOwned: Bool
        let value: OpaquePointer
        let shape: [Int]
        let element: TensorElement
    }

    let path: String
    let inputs: [TensorDeclaration]
    let outputs: [TensorDeclaration]

    let runtime: InferenceRuntime
    let binding: OpaquePointer
    private let session: OpaquePointer
    /// Describes the host's memory to the runtime.
    let hostInfo: OpaquePointer
    /// The device's memory, where it is not the host's.
    let deviceMemory: DeviceMemory?
    /// Names of the tensors whose memory is the device's.
    let residents: Set<String>
    var bound: [String: BoundTensor] = [:]
    /// Memory that no tensor of the graph is bound to.
    var reserved: [String: TensorMemory] = [:]

    /// Loads a graph of a package.
    ///
    /// - Parameters:
    ///   - threads: threads inside one operator, 0 for one per core.
    ///   - residents: tensors that stay in the device's memory.
    init(
        _ file: String, of package: ModelPackage, runtime: InferenceRuntime, device: Device, threads: Int,
        residents: Set<String> = []
    ) throws(InferenceError) {
        let path = package.path(file)
        let options = try SessionOptions.make(
            runtime: runtime, device: device, threads: threads, precision: package.precision)
        var session: OpaquePointer?
        try runtime.check(
            onnx_create_session(runtime.table, runtime.environment, path, options.handle, &session),
            "loading \(path) on \(device)")
        try self.init(session, path, runtime: runtime, device: device, residents: residents)
    }

    /// Loads a graph made by ourselves.
    init(
        bytes: [UInt8], named name: String, runtime: InferenceRuntime, device: Device
    ) throws(InferenceError) {
        let options = try SessionOptions.make(runtime: runtime, device: device, threads: 1, precision: .fp32)
        var session: OpaquePointer?
        let status = onnx_create_session_from_bytes(
            runtime.table, runtime.environment, bytes, bytes.count, options.handle, &session)
        try runtime.check(status, "loading \(name) on \(device)")
        try self.init(session, name, runtime: runtime, device: device, residents: [])
    }

    private init(
        _ created: OpaquePointer?, _ path: String, runtime: InferenceRuntime, device: Device,
        residents: Set<String>
    ) throws(InferenceError) {
        let table = runtime.table
        guard let session = created else { throw InferenceError(.runFailed, "\(path): no session was made") }
        var binding: OpaquePointer?
        var hostInfo: OpaquePointer?
        let deviceMemory: DeviceMemory?
        let declared: (inputs: [TensorDeclaration], outputs: [TensorDeclaration])
        do throws(InferenceError) {
            try runtime.check(onnx_create_binding(table, session, &binding), "binding the memory of \(path)")
            try runtime.check(
                onnx_create_cpu_memory_info(table, &hostInfo), "describing the memory of \(path)")
            declared.inputs = try Self.declarations(of: session, runtime, isInput: true)
            declared.outputs = try Self.declarations(of: session, runtime, isInput: false)
            // Last: nothing that could fail comes after it, so nothing has to release it here.
            deviceMemory = try DeviceMemory(of: device, session: session, runtime: runtime)
        } catch {
            onnx_release_binding(table, binding)
            onnx_release_memory_info(table, hostInfo)
            onnx_release_session(table, session)
            throw error
        }
        guard let binding, let hostInfo else {
            preconditionFailure("ONNX Runtime reported success and made no binding for \(path)")
        }
        self.path = path
        self.runtime = runtime
        self.session = session
        self.binding = binding
        self.hostInfo = hostInfo
        self.deviceMemory = deviceMemory
        self.residents = deviceMemory == nil ? [] : residents
        (self.inputs, self.outputs) = declared
    }

    deinit {
        onnx_release_binding(runtime.table, binding)
        for tensor in bound.values {
            onnx_release_value(runtime.table, tensor.value)
            if tensor.isOwned { free(tensor.memory) }
        }
        for memory in reserved.values { free(memory) }
        deviceMemory?.release()
        onnx_release_session(runtime.table, session)
        onnx_release_memory_info(runtime.table, hostInfo)
    }

    /// Checks that the graph has exactly these inputs and outputs.
    ///
    /// - Parameter expected: name, element and dimensions of each; a dimension of -1 must be free.
    borrowing func require(
        inputs expectedInputs: [TensorDeclaration], outputs expectedOutputs: [TensorDeclaration]
    ) throws(InferenceError) {
        try Self.compare(inputs, expectedInputs, "input", path)
        try Self.compare(outputs, expectedOutputs, "output", path)
    }

    /// Computes the outputs from the inputs, in place.
    mutating func run() throws(InferenceError) {
        try runtime.check(onnx_run(runtime.table, session, binding), "running \(path)")
    }

    /// The memory of a bound float32 tensor of the host's, valid until `name` is bound to a larger shape.
    borrowing func floats(_ name: String) -> UnsafeMutableBufferPointer<Float> {
        bytes(name, of: .float32).bindMemory(to: Float.self)
    }

    /// The memory of a bound int64 tensor of the host's, valid until `name` is bound to a larger shape.
    borrowing func integers(_ name: String) -> UnsafeMutableBufferPointer<Int64> {
        bytes(name, of: .int64).bindMemory(to: Int64.self)
    }

    /// The memory of a bound tensor of the host's, valid until `name` is bound to a larger shape.
    borrowing func bytes(_ name: String) -> UnsafeMutableRawBufferPointer { memory(name).hostBytes }

    /// The memory of a bound tensor wherever it lies, valid until `name` is bound to a larger shape.
    borrowing func memory(_ name: String) -> TensorMemory {
        guard let tensor = bound[name] else { preconditionFailure("\(name) of \(path) was not bound") }
        return TensorMemory(
            place: tensor.memory.place, address: tensor.memory.address,
            byteCount: tensor.shape.reduce(tensor.element.byteCount, *))
    }

    private borrowing func bytes(
        _ name: String, of element: TensorElement
    ) -> UnsafeMutableRawBufferPointer {
        guard bound[name]?.element == element else {
            preconditionFailure("\(name) of \(path) was not bound as \(element.name)")
        }
        return bytes(name)
    }
}
