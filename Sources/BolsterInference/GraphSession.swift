import COnnxRuntime
import Glibc

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
/// Belongs to one thread. Noncopyable: it frees the session, the binding and the memory.
struct GraphSession: ~Copyable {
    /// Memory bound under one name. `capacity` bytes are allocated, the shape may use fewer.
    private struct BoundTensor {
        /// Whether the session allocated the memory and frees it.
        var isOwned = true
        var memory: UnsafeMutableRawPointer
        var capacity: Int
        var value: OpaquePointer
        var shape: [Int]
        let element: TensorElement
    }

    let path: String
    let inputs: [TensorDeclaration]
    let outputs: [TensorDeclaration]

    private let runtime: InferenceRuntime
    private let session: OpaquePointer
    private let binding: OpaquePointer
    private let memoryInfo: OpaquePointer
    private var bound: [String: BoundTensor] = [:]

    /// Loads a graph of a package. `threads` is the number of threads inside one operator, 0 for one per
    /// core.
    init(
        _ file: String, of package: ModelPackage, runtime: InferenceRuntime, device: Device, threads: Int
    ) throws(InferenceError) {
        let table = runtime.table
        let path = package.path(file)
        let options = try SessionOptions.make(
            runtime: runtime, device: device, threads: threads, precision: package.precision)
        var session: OpaquePointer?
        try runtime.check(
            onnx_create_session(table, runtime.environment, path, options.handle, &session),
            "loading \(path) on \(device)")
        guard let session else { throw InferenceError(.runFailed, "\(path): no session was made") }
        var binding: OpaquePointer?
        var memoryInfo: OpaquePointer?
        let declared: (inputs: [TensorDeclaration], outputs: [TensorDeclaration])
        do throws(InferenceError) {
            try runtime.check(onnx_create_binding(table, session, &binding), "binding the memory of \(path)")
            try runtime.check(
                onnx_create_cpu_memory_info(table, &memoryInfo), "describing the memory of \(path)")
            declared.inputs = try Self.declarations(of: session, runtime, isInput: true)
            declared.outputs = try Self.declarations(of: session, runtime, isInput: false)
        } catch {
            onnx_release_binding(table, binding)
            onnx_release_memory_info(table, memoryInfo)
            onnx_release_session(table, session)
            throw error
        }
        guard let binding, let memoryInfo else {
            preconditionFailure("ONNX Runtime reported success and made no binding for \(path)")
        }
        self.path = path
        self.runtime = runtime
        self.session = session
        self.binding = binding
        self.memoryInfo = memoryInfo
        (self.inputs, self.outputs) = declared
    }

    deinit {
        onnx_release_binding(runtime.table, binding)
        for tensor in bound.values {
            onnx_release_value(runtime.table, tensor.value)
            if tensor.isOwned { free(tensor.memory) }
        }
        onnx_release_session(runtime.table, session)
        onnx_release_memory_info(runtime.table, memoryInfo)
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

    /// Gives `name` memory of this shape. What it held before stays as the prefix of the new memory as
    /// far as both reach; new memory is zero.
    mutating func bind(_ name: String, _ shape: [Int]) throws(InferenceError) {
        if let existing = bound[name], existing.shape == shape, existing.isOwned { return }
        let element = try element(of: name)
        let byteCount = max(1, shape.reduce(element.byteCount, *))
        if let borrowed = bound[name], !borrowed.isOwned {
            onnx_release_value(runtime.table, borrowed.value)
            bound[name] = nil
        }
        let old = bound[name]
        let kept = old.flatMap { $0.capacity >= byteCount ? $0 : nil }
        let memory: UnsafeMutableRawPointer
        if let kept { memory = kept.memory } else { memory = try Self.allocate(byteCount, for: name) }
        let value: OpaquePointer
        do throws(InferenceError) {
            value = try boundValue(name, memory, byteCount, shape, element)
        } catch {
            if kept == nil { free(memory) }
            throw error
        }
        if kept == nil {
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
            if let old {
                memory.copyMemory(from: old.memory, byteCount: min(old.capacity, byteCount))
                free(old.memory)
            }
        }
        if let old { onnx_release_value(runtime.table, old.value) }
        bound[name] = BoundTensor(
            memory: memory, capacity: kept?.capacity ?? byteCount, value: value, shape: shape,
            element: element)
    }

    /// Memory that vector instructions and CUDA's copies like, to be freed with `free`.
    private static func allocate(
        _ byteCount: Int, for name: String
    ) throws(InferenceError) -> UnsafeMutableRawPointer {
        guard let memory = aligned_alloc(64, (byteCount + 63) & ~63) else {
            throw InferenceError(.outOfMemory, "there are no \(byteCount) bytes for \(name)")
        }
        return memory
    }

    /// Lets the next run read an input from the caller's memory, which must stay until that run is over: a
    /// batch that others have prepared is not copied once more.
    mutating func bind(
        _ name: String, over memory: UnsafeRawBufferPointer, _ shape: [Int]
    ) throws(InferenceError) {
        let element = try element(of: name)
        guard let base = memory.baseAddress, memory.count == shape.reduce(element.byteCount, *) else {
            preconditionFailure("\(memory.count) bytes for \(name) of shape \(shape)")
        }
        // Inputs are only read.
        let address = UnsafeMutableRawPointer(mutating: base)
        let value = try boundValue(name, address, memory.count, shape, element)
        if let old = bound[name] {
            onnx_release_value(runtime.table, old.value)
            if old.isOwned { free(old.memory) }
        }
        bound[name] = BoundTensor(
            isOwned: false, memory: address, capacity: memory.count, value: value, shape: shape,
            element: element)
    }

    private borrowing func element(of name: String) throws(InferenceError) -> TensorElement {
        guard let declaration = (inputs + outputs).first(where: { $0.name == name }),
            let element = TensorElement(rawValue: declaration.element)
        else {
            throw InferenceError(.graphInvalid, "\(path) has no usable tensor named \(name)", file: path)
        }
        return element
    }

    /// A tensor over memory of ours, bound under its name in the place of what was bound before.
    private borrowing func boundValue(
        _ name: String, _ memory: UnsafeMutableRawPointer, _ byteCount: Int, _ shape: [Int],
        _ element: TensorElement
    ) throws(InferenceError) -> OpaquePointer {
        var value: OpaquePointer?
        try runtime.check(
            onnx_create_tensor(
                runtime.table, memoryInfo, memory, byteCount, shape.map { Int64($0) }, shape.count,
                element.rawValue, &value), "making the tensor \(name) of shape \(shape) for \(path)")
        guard let value else { throw InferenceError(.runFailed, "\(path): \(name) got no tensor") }
        let isInput = inputs.contains(where: { $0.name == name })
        do throws(InferenceError) {
            try runtime.check(
                isInput
                    ? onnx_bind_input(runtime.table, binding, name, value)
                    : onnx_bind_output(runtime.table, binding, name, value),
                "binding \(name) of shape \(shape) of \(path)")
        } catch {
            onnx_release_value(runtime.table, value)
            throw error
        }
        return value
    }

    /// Computes the outputs from the inputs, in place.
    mutating func run() throws(InferenceError) {
        try runtime.check(onnx_run(runtime.table, session, binding), "running \(path)")
    }

    /// The memory of a bound float32 tensor, valid until `name` is bound to a larger shape.
    borrowing func floats(_ name: String) -> UnsafeMutableBufferPointer<Float> {
        memory(name, .float32).bindMemory(to: Float.self)
    }

    /// The memory of a bound int64 tensor, valid until `name` is bound to a larger shape.
    borrowing func integers(_ name: String) -> UnsafeMutableBufferPointer<Int64> {
        memory(name, .int64).bindMemory(to: Int64.self)
    }

    /// The memory of a bound tensor of any type, valid until `name` is bound to a larger shape.
    borrowing func bytes(_ name: String) -> UnsafeMutableRawBufferPointer {
        guard let tensor = bound[name] else { preconditionFailure("\(name) of \(path) was not bound") }
        return UnsafeMutableRawBufferPointer(
            start: tensor.memory, count: tensor.shape.reduce(tensor.element.byteCount, *))
    }

    private borrowing func memory(
        _ name: String, _ element: TensorElement
    ) -> UnsafeMutableRawBufferPointer {
        guard bound[name]?.element == element else {
            preconditionFailure("\(name) of \(path) was not bound as \(element.name)")
        }
        return bytes(name)
    }
}

extension GraphSession {
    private static func declarations(
        of session: OpaquePointer, _ runtime: InferenceRuntime, isInput: Bool
    ) throws(InferenceError) -> [TensorDeclaration] {
        let table = runtime.table
        var count = 0
        try runtime.check(
            isInput ? onnx_input_count(table, session, &count) : onnx_output_count(table, session, &count),
            "counting the graph's tensors")
        var allocator: OpaquePointer?
        try runtime.check(onnx_default_allocator(table, &allocator), "finding the allocator")
        var declarations: [TensorDeclaration] = []
        for index in 0..<count {
            var name: UnsafeMutablePointer<CChar>?
            try runtime.check(
                isInput
                    ? onnx_input_name(table, session, index, allocator, &name)
                    : onnx_output_name(table, session, index, allocator, &name), "naming a tensor")
            guard let name else { throw InferenceError(.graphInvalid, "a tensor has no name") }
            let text = String(cString: name)
            try runtime.check(onnx_free(table, allocator, name), "freeing a name")
            var type: OpaquePointer?
            try runtime.check(
                isInput
                    ? onnx_input_type(table, session, index, &type)
                    : onnx_output_type(table, session, index, &type), "reading the type of \(text)")
            defer { onnx_release_type_info(table, type) }
            declarations.append(try declaration(named: text, type, runtime))
        }
        return declarations
    }

    private static func declaration(
        named name: String, _ type: OpaquePointer?, _ runtime: InferenceRuntime
    ) throws(InferenceError) -> TensorDeclaration {
        var tensor: OpaquePointer?
        try runtime.check(onnx_tensor_info_of_type(runtime.table, type, &tensor), "reading \(name)")
        guard let tensor else { throw InferenceError(.graphInvalid, "\(name) is not a tensor") }
        var element: Int32 = 0
        var rank = 0
        try runtime.check(onnx_element_type(runtime.table, tensor, &element), "reading \(name)")
        try runtime.check(onnx_rank(runtime.table, tensor, &rank), "reading \(name)")
        var dimensions = [Int64](repeating: 0, count: rank)
        try runtime.check(onnx_dimensions(runtime.table, tensor, &dimensions, rank), "reading \(name)")
        return TensorDeclaration(name: name, element: element, dimensions: dimensions.map { Int($0) })
    }

    private static func compare(
        _ found: [TensorDeclaration], _ expected: [TensorDeclaration], _ kind: String, _ path: String
    ) throws(InferenceError) {
        func described(_ tensors: [TensorDeclaration]) -> String {
            tensors.map { tensor in
                let element = TensorElement(rawValue: tensor.element)?.name ?? "element \(tensor.element)"
                let shape = tensor.dimensions.map { $0 < 0 ? "?" : String($0) }.joined(separator: ",")
                return "\(tensor.name) \(element)[\(shape)]"
            }.joined(separator: ", ")
        }
        let matches =
            found.count == expected.count
            && expected.allSatisfy { wanted in
                found.contains { tensor in
                    tensor.name == wanted.name && tensor.element == wanted.element
                        && tensor.dimensions.count == wanted.dimensions.count
                        && zip(tensor.dimensions, wanted.dimensions).allSatisfy { $0 == $1 || $0 < 0 }
                }
            }
        guard matches else {
            throw InferenceError(
                .graphInvalid,
                "\(path) has the \(kind)s \(described(found)); model.json asks for \(described(expected))",
                file: path)
        }
    }
}
