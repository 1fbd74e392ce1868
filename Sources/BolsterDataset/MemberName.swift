/// A member's name taken apart by webdataset's rule: the key is everything before the first dot of the base
/// name, its folder kept; the extension is everything after it, lower-cased.
///
///     ./a.b/0001.url.TXT   key "a.b/0001", extension "url.txt"
package struct MemberName: Equatable, Sendable {
    /// Without a leading "./".
    package var full: String
    package var key: String
    package var `extension`: String

    package enum Outcome: Equatable, Sendable {
        case sample(MemberName)
        /// No file of a sample: a folder, no dot, nothing before or after it, or in a folder like `__meta__`.
        case passedOver
        /// Absolute, with a ".." component, or with a NUL: it could leave the folder it is unpacked in.
        case unsafe
    }

    package static func parse(_ name: String) -> Outcome {
        var bytes = Array(name.utf8)[...]
        while bytes.starts(with: "./".utf8) {
            bytes = bytes.dropFirst(2)
            bytes = bytes.drop { $0 == UInt8(ascii: "/") }
        }
        guard let first = bytes.first else { return .passedOver }
        guard first != UInt8(ascii: "/"), !bytes.contains(0) else { return .unsafe }
        let components = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if components.contains(where: { $0.elementsEqual("..".utf8) }) { return .unsafe }
        // Webdataset keeps what is not samples under such a folder.
        let top = components[0]
        let isMeta = top.count >= 4 && top.starts(with: "__".utf8) && top.suffix(2).elementsEqual("__".utf8)
        guard !isMeta, let base = components.last, let dot = base.firstIndex(of: UInt8(ascii: ".")),
            dot > base.startIndex, dot + 1 < base.endIndex
        else { return .passedOver }
        let text = { (bytes: ArraySlice<UInt8>) in String(decoding: bytes, as: UTF8.self) }
        return .sample(
            MemberName(
                full: text(bytes), key: text(bytes[..<dot]), extension: text(base[(dot + 1)...]).lowercased())
        )
    }
}
