import BolsterInference

/// How many rows a model computes at once: the manifest's batch, until the device has no memory for so many.
/// From then on half, and half again, down to a single row; the records of the chunk say so.
struct BatchLimit {
    /// Rows at once.
    private(set) var rows: Int
    /// The least that was needed since the last `takeReduction()`; nil where the whole batch went.
    private var reduction: Int?
    private let whole: Int

    init(rows: Int) {
        precondition(rows > 0, "a batch of \(rows)")
        self.rows = rows
        self.whole = rows
    }

    /// Computes `count` rows in as many runs as memory asks for, and puts the results one behind the other.
    ///
    /// - Throws: what `compute` throws; `outOfMemory` where there is none for a single row.
    mutating func inSlices(
        of count: Int, _ compute: (Range<Int>) throws -> [Float]
    ) throws -> [Float] {
        var results: [Float] = []
        var start = 0
        while start < count {
            let end = min(count, start + rows)
            do {
                let values = try compute(start..<end)
                // Nothing is copied where one run did it all.
                if start == 0, end == count { results = values } else { results += values }
                start = end
            } catch let error as InferenceError where error.code == .outOfMemory && end - start > 1 {
                halve(from: end - start)
            }
        }
        if rows < whole, count > rows { note() }
        return results
    }

    /// Finds out before any work whether the device has memory for a whole batch, and halves it until it has.
    ///
    /// - Parameter rowsMax: no more rows than these are tried; what they show is all that is known then.
    /// - Throws: what `compute` throws; `outOfMemory` where there is none for a single row.
    mutating func warmUp(atMost rowsMax: Int? = nil, _ compute: (_ rows: Int) throws -> Void) throws {
        while true {
            let tried = min(rows, rowsMax ?? rows)
            do {
                return try compute(tried)
            } catch let error as InferenceError where error.code == .outOfMemory && tried > 1 {
                halve(from: tried)
            }
        }
    }

    /// Memory was not there for `tried` rows.
    mutating func halve(from tried: Int) {
        rows = max(1, tried / 2)
        note()
    }

    /// The most rows that were computed at once for the chunk, where that was not the whole batch.
    mutating func takeReduction() -> Int? {
        defer { reduction = nil }
        return reduction
    }

    private mutating func note() { reduction = min(reduction ?? rows, rows) }
}
