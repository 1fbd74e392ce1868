import COnnxRuntime

/// A tensor's memory, and who may touch it.
struct TensorMemory {
    enum Place {
        /// Memory that the processor reads and writes.
        case host
        /// Memory of a GPU: an address that only graphs on that GPU may follow.
        case device
    }

    let place: Place
    let address: UnsafeMutableRawPointer
    let byteCount: Int

    /// What the host reads and writes. A programmer's error for memory of a device.
    var hostBytes: UnsafeMutableRawBufferPointer {
        precondition(place == .host, "the host reads a device's memory")
        return UnsafeMutableRawBufferPointer(start: address, count: byteCount)
    }
}

/// The memory of one session's GPU, taken from the arena that the session itself uses.
///
/// Its owner frees what it allocated before it calls `release`, and that before the session goes.
struct DeviceMemory {
    /// Describes the memory to the runtime.
    let info: OpaquePointer
    private let allocator: OpaquePointer
    private let runtime: InferenceRuntime

    /// Nil for a device whose memory is the host's.
    init?(of device: Device, session: OpaquePointer, runtime: InferenceRuntime) throws(InferenceError) {
        guard case .cuda(let ordinal) = device else { return nil }
        let table = runtime.table
        var info: OpaquePointer?
        var allocator: OpaquePointer?
        try runtime.check(
            onnx_create_cuda_memory_info(table, Int32(ordinal), &info), "describing the memory of \(device)")
        do throws(InferenceError) {
            try runtime.check(
                onnx_create_allocator(table, session, info, &allocator), "finding the memory of \(device)")
        } catch {
            onnx_release_memory_info(table, info)
            throw error
        }
        guard let info, let allocator else {
            preconditionFailure("ONNX Runtime reported success and gave no allocator for \(device)")
        }
        self.info = info
        self.allocator = allocator
        self.runtime = runtime
    }

    func allocate(_ byteCount: Int, for name: String) throws(InferenceError) -> TensorMemory {
        var address: UnsafeMutableRawPointer?
        try runtime.check(
            onnx_allocate(runtime.table, allocator, byteCount, &address), "\(byteCount) bytes for \(name)")
        guard let address else {
            throw InferenceError(.outOfMemory, "the device has no \(byteCount) bytes for \(name)")
        }
        return TensorMemory(place: .device, address: address, byteCount: byteCount)
    }

    func free(_ memory: TensorMemory) {
        let status = onnx_free(runtime.table, allocator, memory.address)
        precondition(status == nil, "the device takes no memory back")
    }

    func release() {
        onnx_release_allocator(runtime.table, allocator)
        onnx_release_memory_info(runtime.table, info)
    }
}
