import BolsterRecords
import Foundation
import Testing

/// What tools/benchmarks/records.sh runs, in release mode: one core's speed and the bytes of real-shaped
/// embeddings, two teachers of 768, as ratios where there is something to compare with.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["BOLSTER_BENCHMARKS"] != nil))
struct RecordsBenchmark {
    private let views = 10
    private let width = 1536
    private let samples = 512

    /// Vectors like the ensemble's: two unit vectors side by side. Not one is repeated.
    private func embeddings(rows: Int) -> [Float] {
        let halves = unitVectors(rows: 64, width: 1536).chunks(of: 1536)
        var values: [Float] = []
        values.reserveCapacity(rows * width)
        for row in 0..<rows {
            // Rotating a vector keeps its statistics and gives another one.
            let vector = halves[row % halves.count]
            let shift = (row / halves.count * 37) % width
            values += vector[shift...].map { $0 * 1.4142135 }
            values += vector[..<shift].map { $0 * 1.4142135 }
        }
        return values
    }

    /// Processor time of the fastest of five runs: other processes do not count.
    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        var best = Double.infinity
        for _ in 0..<5 {
            let start = now()
            try body()
            best = min(best, now() - start)
        }
        return best
    }

    @Test("Record files: ratio and speed")
    func records() throws {
        let values = embeddings(rows: samples * views)
        for type in TensorType.allCases {
            let column = RecordColumn(
                name: "image_emb", rounding: values, to: type, rows: Array(repeating: views, count: samples),
                width: width)
            guard case .tensor(_, _, _, let bytes) = column.content else { return }
            let file = RecordFile(
                header: exampleHeader(samples: samples), keys: (0..<samples).map { "key\($0)" },
                skips: Array(repeating: nil, count: samples), columns: [column])
            let encoded = try file.encode()
            let encode = try seconds { _ = try file.encode() }
            let decode = try seconds { _ = try RecordFile(decoding: encoded, name: "x") }
            let size = Double(bytes.count)
            print(
                "records \(type): \(encoded.count / samples) bytes a sample, "
                    + "ratio \(Double(encoded.count) / size), "
                    + "encode \(size / encode / 1e9) GB/s, decode \(size / decode / 1e9) GB/s")
            let sample = EmbeddingMatrix(
                name: "image_emb", rows: views, width: width, type: type,
                bytes: Array(bytes[..<(views * width * type.size)]))
            print(
                "records \(type) against a sample's files: npz \(NumpyArchive.bytes(of: [sample]).count) "
                    + "bytes, pth.gz \(TorchArchive.bytes(of: [sample]).count) bytes")
        }
    }

    @Test("npz and pth.gz: bytes and time of a sample", arguments: [2, 10])
    func encodings(views: Int) throws {
        let values = embeddings(rows: views + 6)
        let matrices = [
            EmbeddingMatrix(
                name: "image_emb", rows: views, width: width, type: .bf16,
                bytes: BFloat16.bytes(rounding: Array(values[..<(views * width)]))),
            EmbeddingMatrix(
                name: "text_emb", rows: 6, width: width, type: .bf16,
                bytes: BFloat16.bytes(rounding: Array(values[(views * width)...]))),
        ]
        for (name, encode) in [("npz", NumpyArchive.bytes), ("pth.gz", TorchArchive.bytes)] {
            let count = encode(matrices).count
            let time = seconds { for _ in 0..<20 { _ = encode(matrices) } } / 20
            let raw = 2 * (views + 6) * width
            print(
                "\(name) of \(views) views: \(count) bytes (\(Double(count) / Double(raw)) of bf16), "
                    + "\(time * 1000) ms a sample, \(Double(count) / time / 1e6) MB/s of output")
        }
    }
}

extension Array {
    fileprivate func chunks(of count: Int) -> [[Element]] {
        stride(from: 0, to: self.count, by: count).map { Array(self[$0..<Swift.min($0 + count, self.count)]) }
    }
}
