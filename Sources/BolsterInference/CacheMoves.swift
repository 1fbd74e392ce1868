/// What is to be copied between a captioner's tensors before the next run of one of its graphs. Pure: rows of
/// one head's keys or values, counted.
///
///     encoded images ─► kept image ─┐
///           └───────────────────────┴─► cross [slot]     when a caption starts in a slot
///     new rows ─► caches [slot, position]                after each step
///     new rows ─► starts [place] ─► caches [slot, 0]     captions of one image share their first row
///
/// Collected, because one copy of many rows costs a device as much as one of a few.
struct CacheMoves {
    /// Where an image's cross keys and values are copied from.
    enum Crossing {
        /// The image graph's outputs, or what was kept of them.
        case encoded, kept
    }

    /// Rows of keys (and of values) of one image, in all layers and heads.
    private let crossRows: Int
    /// Rows of one token, in all layers and heads.
    private let tokenRows: Int
    /// Cache rows of a head in a slot.
    let capacity: Int

    /// By slot: one that changes hands twice holds what came last.
    private(set) var crossings: [Int: (source: Crossing, run: RowRun)] = [:]
    private(set) var firstRows: [Int: RowRun] = [:]
    private(set) var newRows: [RowRun] = []
    private(set) var starts: [RowRun] = []

    /// Images whose start row may be wanted at one time: the queue is never more than two ahead of them.
    static let startPlaces = 4

    init(crossRows: Int, tokenRows: Int, capacity: Int) {
        self.crossRows = crossRows
        self.tokenRows = tokenRows
        self.capacity = capacity
    }

    init(_ shape: ModelPackage.CaptionerShape, capacity: Int) {
        self.init(
            crossRows: shape.crossLayers * shape.heads * shape.imageTokens,
            tokenRows: shape.layers * shape.heads, capacity: capacity)
    }

    /// An image's cross keys and values, row `row` of the encoded or the kept images, to a slot.
    mutating func startSlot(_ slot: Int, from source: Crossing, row: Int) {
        crossings[slot] = (source, crossRun(from: row, to: slot))
    }

    /// An encoded image to the place of the kept one.
    func keeping(encodedRow: Int) -> RowRun { crossRun(from: encodedRow, to: 0) }

    /// The last step's keys and values of a slot to a position of its caches.
    mutating func append(slot: Int, position: Int) {
        newRows.append(scattered(from: slot, slot: slot, position: position))
    }

    /// The last step's keys and values of a slot, whose token is an image's start token, to the start's
    /// place.
    mutating func keepStart(of image: Int, slot: Int) {
        starts.append(
            RowRun(from: slot * tokenRows, to: Self.place(of: image) * tokenRows, count: tokenRows))
    }

    /// An image's kept start row to the first position of a slot's caches.
    mutating func useStart(of image: Int, slot: Int) {
        firstRows[slot] = scattered(from: Self.place(of: image), slot: slot, position: 0)
    }

    /// A slot's cross keys and values, and its whole caches, to another slot.
    func moved(_ slot: Int, to target: Int) -> (cross: RowRun, caches: RowRun) {
        let rows = tokenRows * capacity
        return (
            crossRun(from: slot, to: target), RowRun(from: slot * rows, to: target * rows, count: rows)
        )
    }

    mutating func removeAll() {
        crossings = [:]
        firstRows = [:]
        newRows = []
        starts = []
    }

    private static func place(of image: Int) -> Int { image % startPlaces }

    private func crossRun(from row: Int, to slot: Int) -> RowRun {
        RowRun(from: row * crossRows, to: slot * crossRows, count: crossRows)
    }

    private func scattered(from row: Int, slot: Int, position: Int) -> RowRun {
        RowRun(
            from: row * tokenRows, to: slot * tokenRows * capacity + position, toEvery: capacity,
            count: tokenRows)
    }
}

/// Where the captioner carries the moves out.
extension Captioner {
    /// Carries out what was collected.
    func moveRows(_ moves: inout CacheMoves) throws(InferenceError) {
        // In the order of the slots, so that a run of a graph is the same run again.
        let crossings = moves.crossings.sorted { $0.key < $1.key }.map(\.value)
        let encoded = crossings.filter { $0.source == .encoded }.map(\.run)
        let kept = crossings.filter { $0.source == .kept }.map(\.run)
        let firstRows = moves.firstRows.sorted { $0.key < $1.key }.map(\.value)
        if !encoded.isEmpty { try mover.move(encoded, from: encodedMemory, to: stepMemory("cross")) }
        if !kept.isEmpty { try mover.move(kept, from: try keptMemory(), to: stepMemory("cross")) }
        if !firstRows.isEmpty { try mover.move(firstRows, from: try startMemory(), to: stepMemory("cache")) }
        if !moves.newRows.isEmpty {
            try mover.move(moves.newRows, from: stepMemory("new"), to: stepMemory("cache"))
        }
        if !moves.starts.isEmpty {
            try mover.move(moves.starts, from: stepMemory("new"), to: try startMemory())
        }
        moves.removeAll()
    }

    /// Keeps an encoded image's cross keys and values while others are encoded; the image that was kept
    /// before is forgotten.
    func keep(encodedRow: Int, _ moves: CacheMoves) throws(InferenceError) {
        try mover.move([moves.keeping(encodedRow: encodedRow)], from: encodedMemory, to: try keptMemory())
    }

    /// Moves slots to other slots, none of which is moved itself.
    func moveSlots(
        _ moves: [(from: Int, to: Int, cacheRows: Int)], _ rows: CacheMoves
    ) throws(InferenceError) {
        guard !moves.isEmpty else { return }
        let runs = moves.map { rows.moved($0.from, to: $0.to) }
        let (cross, caches) = (stepMemory("cross"), stepMemory("cache"))
        try mover.move(runs.map(\.cross), from: cross, to: cross)
        let withRows = zip(moves, runs).filter { $0.0.cacheRows > 0 }.map(\.1.caches)
        try mover.move(withRows, from: caches, to: caches)
    }

    /// Puts encoded image i into slot i.
    func fillSlotsInOrder(_ count: Int) throws(InferenceError) {
        var moves = CacheMoves(shape, capacity: 1)
        for slot in 0..<count { moves.startSlot(slot, from: .encoded, row: slot) }
        try moveRows(&moves)
    }

    /// The step graph's `cross`, `cache` or `new` keys and values.
    func stepMemory(_ kind: String) -> RowMover.Pair {
        RowMover.Pair(keys: step.memory("\(kind)_keys"), values: step.memory("\(kind)_values"))
    }

    private var encodedMemory: RowMover.Pair {
        RowMover.Pair(keys: image.memory("cross_keys"), values: image.memory("cross_values"))
    }

    private func keptMemory() throws(InferenceError) -> RowMover.Pair {
        RowMover.Pair(
            keys: try step.reserve("kept_keys", crossBytes),
            values: try step.reserve("kept_values", crossBytes))
    }

    private func startMemory() throws(InferenceError) -> RowMover.Pair {
        let bytes = CacheMoves.startPlaces * shape.layers * shape.heads * shape.headWidth * numberBytes
        return RowMover.Pair(
            keys: try step.reserve("start_keys", bytes), values: try step.reserve("start_values", bytes))
    }
}
