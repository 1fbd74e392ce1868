/// The image formats that a sample may hold, told by their first bytes and not by their names.
package enum ImageFormat: String, Sendable, CaseIterable {
    case jpeg, png, webp

    /// Nil where the bytes begin like none of them.
    package init?(magicOf bytes: [UInt8]) {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if bytes.count >= 12, bytes.starts(with: "RIFF".utf8), bytes[8..<12].elementsEqual("WEBP".utf8)
        {
            self = .webp
        } else {
            return nil
        }
    }

    /// Extensions whose content ought to be an image.
    package static let extensions: Set<String> = ["jpg", "jpeg", "png", "webp"]
}

extension Sample {
    /// The first member whose bytes begin like a JPEG, PNG or WebP. Failing that, the first that is named
    /// like one: what cannot be decoded then is an undecodable image rather than none.
    package var image: Member? {
        members.first { ImageFormat(magicOf: $0.bytes) != nil }
            ?? members.first { member in
                let last = member.extension.split(separator: ".").last.map(String.init) ?? ""
                return ImageFormat.extensions.contains(last)
            }
    }
}
