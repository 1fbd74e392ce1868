import BolsterDeterminism
import Testing

@testable import BolsterInference

@Suite struct RowMoverTests {
    /// Keys and values of so many rows of three numbers, each number telling where it was.
    private struct Rows {
        var keys: [Float]
        var values: [Float]

        init(_ count: Int, from start: Float) {
            keys = (0..<count * 3).map { start + Float($0) }
            values = keys.map { -$0 }
        }

        mutating func withPair<Result>(_ body: (RowMover.Pair) throws -> Result) rethrows -> Result {
            try keys.withUnsafeMutableBytes { keys in
                try values.withUnsafeMutableBytes { values in
                    func memory(_ bytes: UnsafeMutableRawBufferPointer) -> TensorMemory {
                        guard let address = bytes.baseAddress else { preconditionFailure("no rows") }
                        return TensorMemory(place: .host, address: address, byteCount: bytes.count)
                    }
                    return try body(RowMover.Pair(keys: memory(keys), values: memory(values)))
                }
            }
        }
    }

    private func moved(_ runs: [RowRun], by mover: inout RowMover) throws -> Rows {
        var source = Rows(20, from: 1000)
        var target = Rows(40, from: 1)
        try source.withPair { source in
            try target.withPair { target in try mover.move(runs, from: source, to: target) }
        }
        return target
    }

    private static let runs = [
        RowRun(from: 3, to: 0, count: 4),
        RowRun(from: 12, to: 5, toEvery: 7, count: 5),
        RowRun(from: 1, fromEvery: 0, to: 20, count: 3),
    ]

    @Test("Rows go where the runs say, keys and values alike, and no others change")
    func host() throws {
        var mover = RowMover(width: 3, numberBytes: 4, graph: nil)
        let found = try moved(Self.runs, by: &mover)
        var expected = Rows(40, from: 1)
        let pairs = [
            (3, 0), (4, 1), (5, 2), (6, 3), (12, 5), (13, 12), (14, 19), (15, 26), (16, 33), (1, 20), (1, 21),
            (1, 22),
        ]
        for (from, to) in pairs {
            for column in 0..<3 { expected.keys[to * 3 + column] = 1000 + Float(from * 3 + column) }
        }
        expected.values = expected.keys.map { -$0 }
        #expect(found.keys == expected.keys && found.values == expected.values)
    }

    @Test("A device's graph moves the rows that the host moves", .enabled(if: TestModels.hasRuntime))
    func graph() throws {
        let runtime = try #require(TestModels.runtime)
        var host = RowMover(width: 3, numberBytes: 4, graph: nil)
        let session = try GraphSession(
            bytes: RowMoverGraph.bytes(numbersOf: 4), named: "test", runtime: runtime, device: .cpu)
        var device = RowMover(width: 3, numberBytes: 4, graph: session)
        var random = CounterRandom(seed: 8, purpose: .caption, key: "runs", index: 0)
        for _ in 0..<50 {
            // Every fifth row or so of the target gets some row of the source.
            let runs = (0..<40).compactMap { row in
                random.next() % 5 == 0 ? RowRun(from: Int(random.next() % 20), to: row, count: 1) : nil
            }
            let (one, other) = (try moved(runs, by: &host), try moved(runs, by: &device))
            #expect(one.keys == other.keys && one.values == other.values)
        }
        #expect(try moved(Self.runs, by: &host).keys == (try moved(Self.runs, by: &device)).keys)
    }

    @Test("Two-byte numbers of any kind keep their bits on a device", .enabled(if: TestModels.hasRuntime))
    func halves() throws {
        let runtime = try #require(TestModels.runtime)
        let session = try GraphSession(
            bytes: RowMoverGraph.bytes(numbersOf: 2), named: "test", runtime: runtime, device: .cpu)
        var mover = RowMover(width: 256, numberBytes: 2, graph: session)
        var every = (0..<UInt16.max).map { $0 } + [UInt16.max]
        var target = [UInt16](repeating: 7, count: 1 << 16)
        try every.withUnsafeMutableBytes { every in
            try target.withUnsafeMutableBytes { target in
                let source = TensorMemory(
                    place: .host, address: try #require(every.baseAddress), byteCount: 1 << 17)
                let memory = TensorMemory(
                    place: .host, address: try #require(target.baseAddress), byteCount: 1 << 17)
                try mover.move(
                    [RowRun(from: 0, to: 0, count: 256)], from: RowMover.Pair(keys: source, values: source),
                    to: RowMover.Pair(keys: memory, values: memory))
            }
        }
        #expect(target == every)
    }
}
