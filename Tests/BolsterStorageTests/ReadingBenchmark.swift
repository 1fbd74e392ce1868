import BolsterDataset
import BolsterOracles
import Foundation
import Testing

@testable import BolsterStorage

/// What tools/benchmarks/reading.sh runs, in release mode: how fast shards are read into samples from the
/// page cache, in processor time of the one thread that reads.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["BOLSTER_BENCHMARKS"] != nil), .serialized)
struct ReadingBenchmark {
    private static let samples = 3000
    private static let imageBytes = 100_000

    private func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Like a JPEG, nothing in it repeats.
    private static func image(_ index: Int) -> [UInt8] {
        var state = UInt64(index) &* 0x9E37_79B9_7F4A_7C15 | 1
        return [0xFF, 0xD8, 0xFF, 0xE0]
            + (0..<imageBytes / 8).flatMap { _ in
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                return withUnsafeBytes(of: state) { Array($0) }
            }
    }

    private func write(_ folder: ScratchFolder) throws {
        let images = (0..<16).map(Self.image)
        var tar = try AtomicFileWriter(path: folder.path + "/a.tar")
        var writer = TarWriter()
        var lines = try AtomicFileWriter(path: folder.path + "/a.jsonl")
        for index in 0..<Self.samples {
            let key = String(format: "%08d", index)
            let image = images[index % images.count]
            var bytes: [UInt8] = []
            writer.append(name: "\(key).jpg", bytes: image, to: &bytes)
            writer.append(name: "\(key).txt", bytes: Array("a text of some words".utf8), to: &bytes)
            writer.append(name: "\(key).json", bytes: Array("{\"uid\": \"\(key)\"}".utf8), to: &bytes)
            try tar.append(bytes)
            let base64 = Data(image).base64EncodedString()
            let line = "{\"uid\": \"\(key)\", \"image\": \"\(base64)\", \"text\": \"a text of some words\"}\n"
            try lines.append(Array(line.utf8))
        }
        var end: [UInt8] = []
        writer.finish(to: &end)
        try tar.append(end)
        try tar.commit()
        try lines.commit()
    }

    private func read(_ path: String) throws -> (samples: Int, content: Int) {
        var bytes = try ByteReader(opening: path)
        var reader = SampleReader(shard: path)
        var block = [UInt8](repeating: 0, count: 1 << 20)
        var (samples, content) = (0, 0)
        while true {
            while try reader.next() != nil { samples += 1 }
            let count = try block.withUnsafeMutableBytes { try bytes.read(into: $0) }
            if count == 0 { break }
            content += count
            block.withUnsafeBytes { reader.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
        reader.finish()
        while try reader.next() != nil { samples += 1 }
        return (samples, content)
    }

    @Test func speed() throws {
        let folder = try ScratchFolder()
        try write(folder)
        for command in [["gzip", "-k", "-1", "a.tar"], ["zstd", "-q", "-k", "a.tar"]] {
            _ = try OtherProgram.run(command, in: folder.path)
        }
        for name in ["a.tar", "a.jsonl", "a.tar.zst", "a.tar.gz"] {
            let path = "\(folder.path)/\(name)"
            guard FileManager.default.fileExists(atPath: path) else { continue }
            var best = Double.infinity
            var content = 0
            for _ in 0..<4 {
                let start = now()
                let read = try read(path)
                best = min(best, now() - start)
                #expect(read.samples == Self.samples)
                content = read.content
            }
            print(
                "reading \(name): \(Int(Double(content) / best / 1e6)) MB/s per core of its content "
                    + "(\(content / 1_000_000) MB, \(Int(Double(Self.samples) / best)) samples/s)")
        }
    }
}
