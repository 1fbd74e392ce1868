/// The header of a NumPy ".npy" file (format versions 1 to 3):
///
///     \x93NUMPY  major minor  length (2 or 4 bytes, little-endian)
///     {'descr': …, 'fortran_order': …, 'shape': …}
///
/// It is a Python literal; only what NumPy itself writes is understood.
struct NumPyHeader: Equatable {
    /// The dtype as written: "<f4", or "[('f0', '<u8'), ('f1', '<u8')]".
    let type: String
    let shape: [Int]
    /// Bytes of the header with its magic: where the values begin.
    let bytesCount: Int

    private static let headerBytesMax = 1 << 16

    init(_ bytes: [UInt8], of name: String) throws(DatasetError) {
        func damaged(_ what: String) -> DatasetError {
            DatasetError(
                .damagedSelection, source: name, offset: 0, "\(what); write it anew with numpy.save")
        }
        guard bytes.count >= 10, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
            throw damaged("is no .npy file")
        }
        let isLong = bytes[6] >= 2
        guard (1...3).contains(bytes[6]), bytes.count >= (isLong ? 12 : 10) else {
            throw damaged("is of an unknown .npy version, \(bytes[6])")
        }
        let length =
            isLong
            ? (8..<12).reversed().reduce(0) { $0 << 8 | Int(bytes[$1]) } : Int(bytes[8]) | Int(bytes[9]) << 8
        bytesCount = (isLong ? 12 : 10) + length
        guard length <= Self.headerBytesMax, bytesCount <= bytes.count else {
            throw damaged("ends inside its .npy header")
        }
        let text = String(decoding: bytes[(bytesCount - length)..<bytesCount], as: UTF8.self)
        guard let type = Self.value(of: "descr", in: text),
            let order = Self.value(of: "fortran_order", in: text),
            let shapeText = Self.value(of: "shape", in: text), order == "False" || order == "True"
        else { throw damaged("has an .npy header that cannot be read") }
        self.type = type
        let numbers = shapeText.dropFirst().dropLast().split(separator: ",")
            .map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        shape = numbers.compactMap { Int($0) }.filter { $0 >= 0 }
        guard shapeText.hasPrefix("("), shape.count == numbers.count else {
            throw damaged("has an .npy header whose shape cannot be read")
        }
    }

    /// Whether an element is two unsigned integers of 64 bits, little-endian, under whatever names.
    var isPairOfUInt64: Bool {
        let parts = type.split(separator: "'").map(String.init)
        return type.hasPrefix("[") && parts.count == 9 && parts[3] == "<u8" && parts[7] == "<u8"
    }

    /// The value of a key of a Python dictionary: a string without its quotes, or a word, a list or a tuple
    /// as it stands.
    private static func value(of key: String, in text: String) -> String? {
        guard let place = text.range(ofFirst: "'\(key)':") else { return nil }
        let rest = text[place.upperBound...].drop { $0 == " " }
        switch rest.first {
        case "'": return rest.dropFirst().firstIndex(of: "'").map { String(rest[..<$0].dropFirst()) }
        case "[": return rest.firstIndex(of: "]").map { String(rest[...$0]) }
        case "(": return rest.firstIndex(of: ")").map { String(rest[...$0]) }
        default: return String(rest.prefix { $0.isLetter })
        }
    }
}
