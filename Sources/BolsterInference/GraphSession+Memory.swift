import COnnxRuntime
import Glibc

/// What a session's tensors are bound to.
extension GraphSession {
    /// Gives `name` memory of this shape: its old memory, if that is large enough, with what it holds.
    ///
    /// - Returns: whether the memory is new. The host's is zero then; the device's holds anything.
    @discardableResult
    mutating func bind(_ name: String, _ shape: [Int]) throws(InferenceError) -> Bool {
        if let existing = bound[name], existing.isOwned, existing.shape == shape { return false }
        let element = try element(of: name)
        let byteCount = max(1, shape.reduce(element.byteCount, *))
        if let existing = bound[name], existing.isOwned, existing.memory.byteCount >= byteCount {
            let value = try boundValue(name, existing.memory, shape, element)
            onnx_release_value(runtime.table, existing.value)
            bound[name] = BoundTensor(
                memory: existing.memory, isOwned: true, value: value, shape: shape, element: element)
            return false
        }
        // The old memory goes first, so that old and new need not fit side by side.
        release(name)
        let memory = try allocate(byteCount, for: name, onDevice: residents.contains(name))
        do throws(InferenceError) {
            let value = try boundValue(name, memory, shape, element)
            bound[name] = BoundTensor(
                memory: memory, isOwned: true, value: value, shape: shape, element: element)
        } catch {
            free(memory)
            throw error
        }
        return true
    }

    /// Lets the next run read an input from the caller's memory, which must stay until that run is over: a
    /// batch that others have prepared is not copied once more.
    mutating func bind(
        _ name: String, over memory: UnsafeRawBufferPointer, _ shape: [Int]
    ) throws(InferenceError) {
        guard let base = memory.baseAddress else { preconditionFailure("no memory for \(name)") }
        // Inputs are only read.
        let address = UnsafeMutableRawPointer(mutating: base)
        try bind(
            name, over: TensorMemory(place: .host, address: address, byteCount: memory.count), shape)
    }

    /// Lets the next run read an input from, or write an output to, memory of the caller's on the host or on
    /// this session's device. It must stay until that run is over.
    mutating func bind(
        _ name: String, over memory: TensorMemory, _ shape: [Int]
    ) throws(InferenceError) {
        let element = try element(of: name)
        precondition(
            memory.byteCount == shape.reduce(element.byteCount, *),
            "\(memory.byteCount) bytes for \(name) of shape \(shape)")
        let value = try boundValue(name, memory, shape, element)
        release(name)
        bound[name] = BoundTensor(
            memory: memory, isOwned: false, value: value, shape: shape, element: element)
    }

    /// Memory of the device's (the host's on a CPU) under a name of no tensor, made at the first call and
    /// freed with the session.
    mutating func reserve(_ name: String, _ byteCount: Int) throws(InferenceError) -> TensorMemory {
        if let existing = reserved[name] {
            precondition(existing.byteCount == byteCount, "\(name) was reserved with another size")
            return existing
        }
        let memory = try allocate(byteCount, for: name, onDevice: deviceMemory != nil)
        reserved[name] = memory
        return memory
    }

    private mutating func release(_ name: String) {
        guard let old = bound.removeValue(forKey: name) else { return }
        onnx_release_value(runtime.table, old.value)
        if old.isOwned { free(old.memory) }
    }

    private borrowing func allocate(
        _ byteCount: Int, for name: String, onDevice: Bool
    ) throws(InferenceError) -> TensorMemory {
        if onDevice, let deviceMemory { return try deviceMemory.allocate(byteCount, for: name) }
        // Aligned as vector instructions and CUDA's copies like it.
        guard let address = aligned_alloc(64, (byteCount + 63) & ~63) else {
            throw InferenceError(.outOfMemory, "there are no \(byteCount) bytes for \(name)")
        }
        address.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        return TensorMemory(place: .host, address: address, byteCount: byteCount)
    }

    /// Frees what `allocate` gave.
    borrowing func free(_ memory: TensorMemory) {
        switch memory.place {
        case .host: Glibc.free(memory.address)
        case .device: deviceMemory?.free(memory)
        }
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
        _ name: String, _ memory: TensorMemory, _ shape: [Int], _ element: TensorElement
    ) throws(InferenceError) -> OpaquePointer {
        let info: OpaquePointer
        switch memory.place {
        case .host: info = hostInfo
        case .device:
            guard let deviceMemory else { preconditionFailure("\(path) has no device for \(name)") }
            info = deviceMemory.info
        }
        var value: OpaquePointer?
        let byteCount = shape.reduce(element.byteCount, *)
        try runtime.check(
            onnx_create_tensor(
                runtime.table, info, memory.address, byteCount, shape.map { Int64($0) }, shape.count,
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
}
