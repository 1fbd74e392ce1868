import BolsterOracles
import Foundation
import Testing

@testable import BolsterCompression

/// What gzip(1) makes of the bytes.
private func gzipped(_ bytes: [UInt8], _ level: String = "-6") throws -> [UInt8] {
    let folder = try ScratchFolder()
    try Data(bytes).write(to: folder.url.appendingPathComponent("a"))
    _ = try OtherProgram.run(["gzip", level, folder.path + "/a"])
    return [UInt8](try Data(contentsOf: folder.url.appendingPathComponent("a.gz")))
}

/// Decodes with pieces of these sizes.
private func decoded(
    _ bytes: [UInt8], input: Int = 1 << 20, output: Int = 1 << 20
) throws(CompressionError) -> [UInt8] {
    var decoder = GzipDecoder()
    var content: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: output, alignment: 1)
    defer { buffer.deallocate() }
    let source = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { source.deallocate() }
    source.copyBytes(from: bytes)
    var place = 0
    while place < bytes.count {
        let end = min(bytes.count, place + input)
        let step = try decoder.decode(UnsafeRawBufferPointer(rebasing: source[place..<end]), into: buffer)
        content += buffer[..<step.produced]
        place += step.consumed
    }
    // What zlib holds back for want of room comes without further input.
    try decoder.finish()
    return content
}

@Suite("Gzip")
struct GzipDecoderTests {
    private let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }

    @Test("What gzip wrote is decoded, whatever the pieces", arguments: [1, 1000, 1 << 20])
    func roundTrip(piece: Int) throws {
        for level in ["-1", "-9"] {
            let bytes = try gzipped(content, level)
            #expect(try decoded(bytes, input: piece) == content)
            #expect(try decoded(bytes, input: piece, output: 333) == content)
        }
        #expect(try decoded(gzipped([])) == [])
    }

    @Test("Members one after the other give their contents one after the other, and zeros may follow")
    func members() throws {
        let bytes = try gzipped([1, 2]) + gzipped([]) + gzipped([3])
        #expect(try decoded(bytes) == [1, 2, 3])
        #expect(try decoded(bytes + [0, 0, 0], input: 2) == [1, 2, 3])
    }

    @Test("Every truncation is an error")
    func truncated() throws {
        let bytes = try gzipped(Array(content[..<1000]))
        for length in 0..<bytes.count {
            do {
                _ = try decoded(Array(bytes[..<length]))
                Issue.record("\(length) bytes pass")
            } catch {
                #expect(error.code == .truncated && error.offset == Int64(length))
            }
        }
    }

    @Test("Flipped bits of the content, what is no gzip, and other bytes behind it, are errors")
    func damaged() throws {
        let bytes = try gzipped(Array(content[..<1000]))
        for place in stride(from: 30, to: bytes.count, by: 11) {
            var damaged = bytes
            damaged[place] ^= 16
            #expect(throws: CompressionError.self, "byte \(place)") { try decoded(damaged) }
        }
        #expect(throws: CompressionError.self) { try decoded(Array("no gzip".utf8)) }
        #expect(throws: CompressionError.self) { try decoded([0, 0]) }
        #expect(throws: CompressionError.self) { try decoded(bytes + [1]) }
        #expect(throws: CompressionError.self) { try decoded(bytes + [0, 1]) }
    }

    @Test("What lies before a damage comes out first, however much is decoded at once")
    func beforeDamage() throws {
        let first = try gzipped(content)
        var second = try gzipped([9, 9, 9])
        // Of its checksum.
        second[second.count - 6] ^= 1
        for bytes in [first + Array("garbage".utf8), first + second] {
            var decoder = GzipDecoder()
            var output = [UInt8](repeating: 0, count: 1 << 20)
            let step = try output.withUnsafeMutableBytes { output in
                try bytes.withUnsafeBytes { bytes in
                    Result { () throws(CompressionError) in try decoder.decode(bytes, into: output) }
                }.get()
            }
            #expect(step.produced >= content.count)
            let isRight = Array(output[..<content.count]) == content
            #expect(isRight)
            let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            #expect(throws: CompressionError.self) {
                _ = try decoder.decode(UnsafeRawBufferPointer(nothing), into: nothing)
            }
            #expect(throws: CompressionError.self) { try decoder.finish() }
        }
    }
}
