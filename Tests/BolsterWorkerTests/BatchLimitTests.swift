import BolsterInference
import Testing

@testable import BolsterWorker

@Suite struct BatchLimitTests {
    /// A device that has memory for so many rows; gives each row's own number.
    private static func device(_ fitting: Int, runs: inout [Int], _ rows: Range<Int>) throws -> [Float] {
        runs.append(rows.count)
        guard rows.count <= fitting else { throw InferenceError(.outOfMemory, "no memory for \(rows.count)") }
        return rows.map { Float($0) }
    }

    private func reduction(_ limit: inout BatchLimit) -> Int? { limit.takeReduction() }

    @Test("Out of memory halves the batch, every row is computed once and in order, and the chunk says so")
    func halving() throws {
        var limit = BatchLimit(rows: 16)
        var runs: [Int] = []
        let all = try limit.inSlices(of: 16) { try Self.device(5, runs: &runs, $0) }
        #expect(all == (0..<16).map { Float($0) })
        #expect(runs == [16, 8, 4, 4, 4, 4])
        #expect(reduction(&limit) == 4)
        // The next chunk: the device is not tried again with more, and its records say so too.
        runs = []
        let ten = try limit.inSlices(of: 10) { try Self.device(5, runs: &runs, $0) }
        #expect(ten.count == 10)
        #expect(runs == [4, 4, 2])
        #expect(reduction(&limit) == 4)
        let three = try limit.inSlices(of: 3) { try Self.device(5, runs: &runs, $0) }
        #expect(three.count == 3)
        #expect(reduction(&limit) == nil)
    }

    @Test("A warm-up finds the batch that fits, and the first chunk's records say so")
    func warmUp() throws {
        var limit = BatchLimit(rows: 16)
        var tried: [Int] = []
        func device(_ rows: Int) throws {
            tried.append(rows)
            guard rows <= 5 else { throw InferenceError(.outOfMemory, "no memory for \(rows)") }
        }
        try limit.warmUp { try device($0) }
        #expect(tried == [16, 8, 4])
        #expect(reduction(&limit) == 4)
        tried = []
        try limit.warmUp(atMost: 1) { try device($0) }
        #expect(tried == [1] && limit.rows == 4)
        #expect(throws: InferenceError.self) {
            try limit.warmUp { _ in throw InferenceError(.outOfMemory, "none at all") }
        }
    }

    @Test("A device without memory for one row is an error, and so is every other trouble at once")
    func errors() {
        var limit = BatchLimit(rows: 4)
        var runs: [Int] = []
        #expect(throws: InferenceError.self) {
            try limit.inSlices(of: 4) { try Self.device(0, runs: &runs, $0) }
        }
        #expect(runs == [4, 2, 1])
        var other = BatchLimit(rows: 4)
        runs = []
        #expect(throws: WorkerError.self) {
            try other.inSlices(of: 4) {
                runs.append($0.count)
                throw WorkerError(.wrongResult, "not a number")
            }
        }
        #expect(runs == [4] && other.rows == 4)
    }
}
