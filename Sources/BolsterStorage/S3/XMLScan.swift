/// Reads the few elements of S3's answers that matter here. Those answers are flat, without attributes of
/// interest and with plain names, so a full parser would only be a larger one.
struct XMLScan {
    private let bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    private init(slice: ArraySlice<UInt8>) { bytes = slice }

    /// The text of the first element of this name; nil without one.
    func text(of name: String) -> String? {
        guard let range = content(of: name, from: bytes.startIndex)?.content else { return nil }
        return Self.unescaped(bytes[range])
    }

    /// The contents of all elements of this name, none inside another of it.
    func elements(_ name: String) -> [XMLScan] {
        var found: [XMLScan] = []
        var position = bytes.startIndex
        while let (content, end) = content(of: name, from: position) {
            found.append(XMLScan(slice: bytes[content]))
            position = end
        }
        return found
    }

    private func content(of name: String, from start: Int) -> (content: Range<Int>, end: Int)? {
        var position = start
        let open = Array("<\(name)".utf8)
        let close = Array("</\(name)>".utf8)
        while let tag = Self.find(open, in: bytes, from: position) {
            position = tag + open.count
            guard position < bytes.endIndex else { return nil }
            switch bytes[position] {
            case UInt8(ascii: ">"), UInt8(ascii: " "), UInt8(ascii: "/"):
                guard let end = bytes[position...].firstIndex(of: UInt8(ascii: ">")) else { return nil }
                if bytes[end - 1] == UInt8(ascii: "/") { return (end..<end, end + 1) }
                guard let last = Self.find(close, in: bytes, from: end + 1) else { return nil }
                return (end + 1..<last, last + close.count)
            // Another name that begins like this one.
            default: continue
            }
        }
        return nil
    }

    private static func find(_ text: [UInt8], in bytes: ArraySlice<UInt8>, from start: Int) -> Int? {
        var position = start
        while let first = bytes[position...].firstIndex(of: text[0]) {
            if bytes[first...].starts(with: text) { return first }
            position = first + 1
        }
        return nil
    }

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
        var result = ""
        var rest = text[...]
        while let ampersand = rest.firstIndex(of: "&") {
            result += rest[..<ampersand]
            guard let end = rest[ampersand...].firstIndex(of: ";") else { return result + rest[ampersand...] }
            result += character(named: rest[rest.index(after: ampersand)..<end])
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    private static func character(named name: Substring) -> String {
        switch name {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "quot": return "\""
        case "apos": return "'"
        default:
            let digits = name.dropFirst()
            let value = digits.first == "x" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            guard name.first == "#", let value, let scalar = Unicode.Scalar(value) else { return "&\(name);" }
            return String(Character(scalar))
        }
    }
}
