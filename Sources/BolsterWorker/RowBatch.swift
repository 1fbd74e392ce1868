/// The rows that models see at once, in memory which the preparing threads write and the models read in
/// place: for each model `capacity` rows of its own width.
///
///     model 0   [row 0][row 1] … [row capacity - 1]        pixels [3, S, S] or token ids [L] a row
///     model 1   [row 0][row 1] … [row capacity - 1]
///
/// Unchecked: a row is written by one thread at a time, and read when every write is over; `BatchPipeline`
/// sees to both under its lock.
final class RowBatch: @unchecked Sendable {
    /// Where one row of every model is to be written.
    struct Row {
        fileprivate let batch: RowBatch
        fileprivate let index: Int

        /// The model's part of this row, all of it to be written.
        subscript(model: Int) -> UnsafeMutableRawBufferPointer {
            let width = batch.widths[model]
            return UnsafeMutableRawBufferPointer(
                start: batch.memory[model] + index * width, count: width)
        }

        /// Writes zeros for every model: what a row holds whose sample turned out to be unusable.
        func clear() {
            for model in batch.widths.indices { self[model].initializeMemory(as: UInt8.self, repeating: 0) }
        }
    }

    /// Bytes of a row, by model.
    let widths: [Int]
    let capacity: Int
    private let memory: [UnsafeMutableRawPointer]
    /// Rows given out, from the first.
    var count = 0
    /// Rows given out and not yet written.
    var unwritten = 0

    init(capacity: Int, widths: [Int]) {
        self.capacity = capacity
        self.widths = widths
        memory = widths.map { .allocate(byteCount: max(1, capacity * $0), alignment: 64) }
    }

    deinit { for part in memory { part.deallocate() } }

    func row(_ index: Int) -> Row {
        precondition(index < capacity, "row \(index) of \(capacity)")
        return Row(batch: self, index: index)
    }

    /// What a model reads: some of the rows, as the numbers that they hold.
    func values<Number>(_ rows: Range<Int>, of model: Int, as: Number.Type) -> UnsafeBufferPointer<Number> {
        bytes(rows, of: model).bindMemory(to: Number.self)
    }

    /// What a model reads: some of the rows.
    func bytes(_ rows: Range<Int>, of model: Int) -> UnsafeRawBufferPointer {
        precondition(rows.upperBound <= count, "rows \(rows) of \(count)")
        return UnsafeRawBufferPointer(
            start: memory[model] + rows.lowerBound * widths[model], count: rows.count * widths[model])
    }
}
