/// The width and height that an image file states, read from its header alone: enough to tell whether a crop
/// lies inside the image, without a decoder. EXIF orientation does not count: the trainer ignores it too.
struct ImageHeader: Equatable {
    let width: Int
    let height: Int

    /// Nil where the bytes are no JPEG, PNG or WebP, or end before they state a size.
    init?(_ bytes: [UInt8]) {
        if bytes.starts(with: [0xFF, 0xD8]) {
            self.init(jpeg: bytes)
        } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
            // PNG: the first chunk is IHDR, whose first two numbers these are.
            guard bytes.count >= 24 else { return nil }
            self.init(width: Self.big(bytes, at: 16, count: 4), height: Self.big(bytes, at: 20, count: 4))
        } else if bytes.count >= 30, bytes.starts(with: "RIFF".utf8), bytes[8..<12].elementsEqual("WEBP".utf8)
        {
            self.init(webp: bytes)
        } else {
            return nil
        }
    }

    private init?(width: Int, height: Int) {
        guard width > 0, height > 0 else { return nil }
        self.width = width
        self.height = height
    }

    /// Segments up to the first start of frame (ITU T.81, B.2.2).
    private init?(jpeg bytes: [UInt8]) {
        var place = 2
        while place + 9 < bytes.count {
            guard bytes[place] == 0xFF else { return nil }
            let marker = bytes[place + 1]
            if marker == 0xFF {
                place += 1
            } else if (0xC0...0xCF).contains(marker) && ![0xC4, 0xC8, 0xCC].contains(marker) {
                self.init(
                    width: Self.big(bytes, at: place + 7, count: 2),
                    height: Self.big(bytes, at: place + 5, count: 2))
                return
            } else if marker == 0x01 || (0xD0...0xD7).contains(marker) {
                place += 2
            } else {
                place += 2 + Self.big(bytes, at: place + 2, count: 2)
            }
        }
        return nil
    }

    /// The first chunk: lossy, lossless or extended (RFC 9649).
    private init?(webp bytes: [UInt8]) {
        switch String(decoding: bytes[12..<16], as: UTF8.self) {
        case "VP8 ":
            self.init(
                width: Self.little(bytes, at: 26, count: 2) & 0x3FFF,
                height: Self.little(bytes, at: 28, count: 2) & 0x3FFF)
        case "VP8L":
            let bits = Self.little(bytes, at: 21, count: 4)
            self.init(width: (bits & 0x3FFF) + 1, height: (bits >> 14 & 0x3FFF) + 1)
        case "VP8X":
            self.init(
                width: Self.little(bytes, at: 24, count: 3) + 1,
                height: Self.little(bytes, at: 27, count: 3) + 1)
        default: return nil
        }
    }

    private static func big(_ bytes: [UInt8], at offset: Int, count: Int) -> Int {
        bytes[offset..<(offset + count)].reduce(0) { $0 << 8 | Int($1) }
    }

    private static func little(_ bytes: [UInt8], at offset: Int, count: Int) -> Int {
        bytes[offset..<(offset + count)].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
