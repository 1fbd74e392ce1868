import CZstd
import Foundation
import Testing

@testable import BolsterCompression

private func compressed(_ bytes: [UInt8], level: Int32 = 3) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { out, count in
        count = ZSTD_compress(out.baseAddress, out.count, bytes, bytes.count, level)
    }
}

private func decoded(
    _ bytes: [UInt8], input: Int = 1 << 20, output: Int = 1 << 20
) throws(CompressionError) -> [UInt8] {
    var decoder = ZstandardDecoder()
    var content: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: output, alignment: 1)
    defer { buffer.deallocate() }
    let source = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { source.deallocate() }
    source.copyBytes(from: bytes)
    var place = 0
    while true {
        let end = min(bytes.count, place + input)
        let step = try decoder.decode(UnsafeRawBufferPointer(rebasing: source[place..<end]), into: buffer)
        content += buffer[..<step.produced]
        place += step.consumed
        if place == bytes.count, step.produced == 0 { break }
    }
    try decoder.finish()
    return content
}

@Suite("Zstandard")
struct ZstandardDecoderTests {
    private let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }

    @Test("What zstd wrote is decoded, whatever the pieces", arguments: [1, 1000, 1 << 20])
    func roundTrip(piece: Int) throws {
        #expect(try decoded(compressed(content), input: piece) == content)
        #expect(try decoded(compressed(content, level: 19), output: max(1, piece / 3)) == content)
    }

    @Test("Frames one after the other give their contents; nothing is one too")
    func frames() throws {
        #expect(try decoded(compressed([1, 2]) + compressed([]) + compressed([3])) == [1, 2, 3])
        // A skippable frame: magic 0x184D2A50, length 3.
        let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 9, 9, 9]
        #expect(try decoded(skippable + compressed([4])) == [4])
    }

    @Test("Every truncation of a frame is an error; what lies before it comes out")
    func truncations() throws {
        let bytes = compressed(Array(content.prefix(2000)))
        for length in 0..<bytes.count {
            do throws(CompressionError) {
                _ = try decoded(Array(bytes[..<length]))
                Issue.record("\(length) of \(bytes.count) bytes pass")
            } catch {
                #expect(error.code == .truncated)
            }
        }
    }

    @Test("Other bytes are damage with their place")
    func damage() {
        do throws(CompressionError) {
            _ = try decoded(compressed([1]) + [1, 2, 3, 4, 5])
            Issue.record("passes")
        } catch {
            #expect(error.code == .damaged && error.offset > 0)
        }
    }

    @Test("What lies before a damage comes out first, however much is decoded at once")
    func beforeDamage() throws {
        let first = compressed(content)
        var second = first
        // The frame header's reserved bit.
        second[4] |= 8
        for bytes in [first + [1, 2, 3, 4, 5], first + second] {
            var decoder = ZstandardDecoder()
            var output = [UInt8](repeating: 0, count: 1 << 20)
            let step = try output.withUnsafeMutableBytes { output in
                try bytes.withUnsafeBytes { bytes in
                    Result { () throws(CompressionError) in try decoder.decode(bytes, into: output) }
                }.get()
            }
            let isRight = Array(output[..<step.produced]) == content
            #expect(isRight)
            #expect(throws: CompressionError.self) { try decoder.finish() }
        }
    }
}
