@testable import BolsterDataset

/// A tar header by hand, so that the reader's tests do not lean on the writer.
func tarHeader(
    _ name: String, size: Int = 0, type: Character = "0", prefix: String = "", magic: String = "ustar\u{0}00",
    sizeField: [UInt8]? = nil
) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ bytes: some Collection<UInt8>, at offset: Int) {
        block.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    }
    put(name.utf8.prefix(100), at: 0)
    put("0000644\0".utf8, at: 100)
    let octal = String(size, radix: 8)
    put(sizeField ?? Array((String(repeating: "0", count: 11 - octal.count) + octal).utf8), at: 124)
    put(repeatElement(32, count: 8), at: 148)
    block[156] = type.asciiValue ?? 0
    put(magic.utf8, at: 257)
    put(prefix.utf8, at: 345)
    let sum = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
    put((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8, at: 148)
    return block
}

func tarMember(_ name: String, _ text: String, type: Character = "0") -> [UInt8] {
    tarHeader(name, size: text.utf8.count, type: type) + padded(Array(text.utf8))
}

func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
}

let tarEnd = [UInt8](repeating: 0, count: 1024)

/// What a reader makes of a whole shard: the samples before the first error, and the error.
struct Reading: Equatable {
    var samples: [Sample] = []
    var error: DatasetError?

    var keys: [String] { samples.map(\.key) }
    var text: [[String]] { samples.map { $0.members.map { String(decoding: $0.bytes, as: UTF8.self) } } }

    /// Feeds pieces of `piece` bytes.
    init(
        _ bytes: [UInt8], piece: Int = Int.max, firstSample: Int = 0, startOffset: Int = 0,
        limits: TarSampleReader.Limits = .init()
    ) {
        var reader = TarSampleReader(
            shard: "00012", firstSample: firstSample, startOffset: Int64(startOffset), limits: limits)
        var place = startOffset
        do {
            while place < bytes.count {
                let end = piece < bytes.count - place ? place + piece : bytes.count
                reader.append(Array(bytes[place..<end]))
                place = end
                while let sample = try reader.next() { samples.append(sample) }
            }
            reader.finish()
            while let sample = try reader.next() { samples.append(sample) }
        } catch {
            self.error = error
        }
    }
}
