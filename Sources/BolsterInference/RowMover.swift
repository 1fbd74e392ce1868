/// Rows that are copied from one tensor to another: source rows `from`, `from + fromEvery`, … to target rows
/// `to`, `to + toEvery`, …
struct RowRun: Equatable {
    var from: Int
    var fromEvery = 1
    var to: Int
    var toEvery = 1
    var count: Int
}

/// Copies rows of keys, and the same rows of values, where they lie: on the host by moving bytes, on a device
/// by a graph of two operators, so that caches never cross the border.
///
///     target' = ScatterND(target, to, Gather(source, from))    target' is bound to target's own memory
///
/// Both providers' ScatterND copies nothing but the rows when its output has its input's address (ONNX
/// Runtime, scatter_nd.cc). Rows are as short as the caches allow, one head's numbers, because a thread of
/// CUDA's ScatterND copies a whole row.
struct RowMover: ~Copyable {
    /// Keys and values, of equal size.
    struct Pair {
        let keys: TensorMemory
        let values: TensorMemory
    }

    /// Numbers in a row.
    let width: Int
    /// Bytes of a number: 2 or 4.
    let numberBytes: Int
    private var graph: GraphSession?
    private let zeros: [UInt8]

    /// - Parameters:
    ///   - width: numbers in a row.
    ///   - element: their type, of which only the size counts.
    init(
        width: Int, element: TensorElement, runtime: InferenceRuntime, device: Device
    ) throws(InferenceError) {
        switch device {
        case .cpu: self.init(width: width, numberBytes: element.byteCount, graph: nil)
        case .cuda:
            let bytes = RowMoverGraph.bytes(numbersOf: element.byteCount)
            let graph = try GraphSession(
                bytes: bytes, named: "the row mover", runtime: runtime, device: device)
            self.init(width: width, numberBytes: element.byteCount, graph: graph)
        }
    }

    /// - Parameter graph: what moves the rows; nil where the host does.
    init(width: Int, numberBytes: Int, graph: consuming GraphSession?) {
        self.width = width
        self.numberBytes = numberBytes
        self.graph = graph
        zeros = [UInt8](repeating: 0, count: width * numberBytes)
    }

    private var rowBytes: Int { width * numberBytes }

    /// Copies rows. No two runs may write the same row, and none may write what another reads.
    mutating func move(_ runs: [RowRun], from source: Pair, to target: Pair) throws(InferenceError) {
        guard !runs.isEmpty else { return }
        if graph != nil { return try moveOnDevice(runs, from: source, to: target) }
        for run in runs {
            copy(run, from: source.keys.hostBytes, to: target.keys.hostBytes)
            copy(run, from: source.values.hostBytes, to: target.values.hostBytes)
        }
    }

    /// Fills memory of a device with zeros.
    mutating func clear(_ target: Pair) throws(InferenceError) {
        let rows = target.keys.byteCount / rowBytes
        let all = RowRun(from: 0, fromEvery: 0, to: 0, count: rows)
        var zeros = zeros
        let moved = zeros.withUnsafeMutableBytes { bytes in
            Result { () throws(InferenceError) in
                guard let address = bytes.baseAddress else { return }
                let row = TensorMemory(place: .host, address: address, byteCount: bytes.count)
                try move([all], from: Pair(keys: row, values: row), to: target)
            }
        }
        try moved.get()
    }

    private borrowing func copy(
        _ run: RowRun, from source: UnsafeMutableRawBufferPointer, to target: UnsafeMutableRawBufferPointer
    ) {
        let bytes = rowBytes
        func rows(_ memory: UnsafeMutableRawBufferPointer, _ first: Int, _ count: Int)
            -> UnsafeMutableRawBufferPointer
        {
            UnsafeMutableRawBufferPointer(rebasing: memory[first * bytes..<(first + count) * bytes])
        }
        if run.fromEvery == 1, run.toEvery == 1 {
            rows(target, run.to, run.count)
                .copyMemory(from: UnsafeRawBufferPointer(rows(source, run.from, run.count)))
            return
        }
        for index in 0..<run.count {
            rows(target, run.to + index * run.toEvery, 1)
                .copyMemory(
                    from: UnsafeRawBufferPointer(rows(source, run.from + index * run.fromEvery, 1)))
        }
    }

    private mutating func moveOnDevice(
        _ runs: [RowRun], from source: Pair, to target: Pair
    ) throws(InferenceError) {
        let count = runs.reduce(0) { $0 + $1.count }
        try graph?.bind("from", [count])
        try graph?.bind("to", [count, 1])
        fillIndices(runs)
        let (width, bytes) = (width, rowBytes)
        for (part, source, target) in [
            ("keys", source.keys, target.keys), ("values", source.values, target.values),
        ] {
            try graph?.bind("source_\(part)", over: source, [source.byteCount / bytes, width])
            try graph?.bind("target_\(part)", over: target, [target.byteCount / bytes, width])
            try graph?.bind("moved_\(part)", over: target, [target.byteCount / bytes, width])
        }
        try graph?.run()
    }

    private mutating func fillIndices(_ runs: [RowRun]) {
        guard let from = graph?.integers("from"), let to = graph?.integers("to") else { return }
        var place = 0
        for run in runs {
            for index in 0..<run.count {
                from[place] = Int64(run.from + index * run.fromEvery)
                to[place] = Int64(run.to + index * run.toEvery)
                place += 1
            }
        }
    }
}
