import BolsterDataset
import BolsterDeterminism
import BolsterRecords
import BolsterStorage
import Foundation
import Testing

@testable import BolsterMerger

/// Part of tools/benchmarks/records.sh: output bytes a second of processor time of a merge.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["BOLSTER_BENCHMARKS"] != nil), .serialized)
struct MergerBenchmark {
    /// 1,024 samples of 60 kB with ten views of 1,536, in one chunk.
    private func run() throws -> RunFixture {
        let run = try RunFixture(chunk: 1024, widths: [768, 768], views: 10)
        let samples = (0..<1024).map { index -> RunFixture.SourceSample in
            var sample = RunFixture.sample(index)
            sample.members[0].bytes =
                [0xFF, 0xD8, 0xFF] + Array(repeating: UInt8(index & 255), count: 60_000)
            return sample
        }
        try run.addShard("x", samples)
        return run
    }

    @Test("Merging, with one core")
    func merge() throws {
        let run = try run()
        for embeddings in Manifest.MergeSettings.Embeddings.allCases {
            run.manifest.merge.embeddings = embeddings
            var time = Double.infinity
            var bytes = 0.0
            for round in 0..<3 {
                let output = "\(embeddings)-\(round)"
                let start = Self.processorSeconds()
                try run.merge(output: output)
                time = min(time, Self.processorSeconds() - start)
                let path = run.path("\(output)/x.tar")
                bytes = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Double ?? .nan
            }
            print("merge to \(embeddings): \(Int(bytes)) bytes, \(bytes / time / 1e6) MB/s of output")
        }
    }

    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
