/// One array of a NumPy archive.
struct NumPyArray: Equatable {
    /// NumPy's type text: "<f4", "<i8" or "|u1".
    let type: String
    let shape: [Int]
    /// Little-endian, C order.
    let bytes: [UInt8]

    var count: Int { shape.reduce(1, *) }

    /// The values of a "<f4" array.
    var floats: [Float] {
        bytes.withUnsafeBytes { raw in
            (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    /// The values of a "<i8" array.
    var integers: [Int64] {
        bytes.withUnsafeBytes { raw in
            (0..<raw.count / 8).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self) }
        }
    }
}

/// Reads an `.npz` whose arrays are stored, not compressed: a zip file (PKWARE APPNOTE 6.3) of `.npy`
/// files (NumPy Enhancement Proposal 1). Every length is checked against the file's own.
///
///     local header, name, extra, npy │ … │ central directory: one record a file │ end record
struct NumPyArchive {
    private let file: String
    private let bytes: [UInt8]
    /// Where each array's `.npy` lies.
    private var ranges: [String: Range<Int>] = [:]

    init(file: String, bytes: [UInt8]) throws(InferenceError) {
        self.file = file
        self.bytes = bytes
        let end = try endRecord()
        var offset = try number(at: end + 16, 4)
        for _ in 0..<(try number(at: end + 10, 2)) {
            guard try number(at: offset, 4) == 0x0201_4B50 else { throw wrong("a broken central directory") }
            let flags = try number(at: offset + 8, 2)
            let method = try number(at: offset + 10, 2)
            let size = try number(at: offset + 20, 4)
            let nameLength = try number(at: offset + 28, 2)
            let skipped = try number(at: offset + 30, 2) + number(at: offset + 32, 2)
            let local = try number(at: offset + 42, 4)
            let name = String(decoding: try slice(offset + 46, nameLength), as: UTF8.self)
            guard method == 0, flags & 1 == 0 else {
                throw wrong("\(name) is compressed or encrypted: write it with numpy.savez")
            }
            guard size != 0xFFFF_FFFF, local != 0xFFFF_FFFF else { throw wrong("\(name) is over 4 GiB") }
            let start = try local + 30 + number(at: local + 26, 2) + number(at: local + 28, 2)
            _ = try slice(start, size)
            ranges[name.hasSuffix(".npy") ? String(name.dropLast(4)) : name] = start..<start + size
            offset += 46 + nameLength + skipped
        }
    }

    /// The array of a name.
    ///
    /// - Parameters:
    ///   - type: NumPy's type text that it must have.
    ///   - shape: its dimensions; -1 takes any.
    func array(_ name: String, type: String, shape: [Int]) throws(InferenceError) -> NumPyArray {
        guard let range = ranges[name] else {
            throw wrong("no array \"\(name)\"; it has \(ranges.keys.sorted().joined(separator: ", "))")
        }
        let array = try parse(name, range)
        let fits =
            array.type == type && array.shape.count == shape.count
            && zip(array.shape, shape).allSatisfy { $1 == -1 || $0 == $1 }
        guard fits else {
            throw wrong(
                "\"\(name)\" is \(array.type) \(array.shape); expected \(type) "
                    + "[\(shape.map { $0 < 0 ? "any" : String($0) }.joined(separator: ", "))]")
        }
        return array
    }

    private func parse(_ name: String, _ range: Range<Int>) throws(InferenceError) -> NumPyArray {
        let base = range.lowerBound
        guard range.count >= 10, bytes[base] == 0x93, bytes[base + 1..<base + 6].elementsEqual("NUMPY".utf8)
        else { throw wrong("\"\(name)\" is not a .npy file") }
        let wide = bytes[base + 6] >= 2
        let headerStart = base + (wide ? 12 : 10)
        let headerLength = try number(at: base + 8, wide ? 4 : 2)
        let header = String(decoding: try slice(headerStart, headerLength), as: UTF8.self)
        guard let type = Self.quoted(after: "'descr':", in: header),
            header.contains("'fortran_order': False"),
            let open = header.firstIndex(of: "("), let close = header.firstIndex(of: ")"), open < close,
            let width = ["<f4": 4, "<i8": 8, "|u1": 1][type]
        else { throw wrong("\"\(name)\" has the header \(header); expected <f4, <i8 or |u1 in C order") }
        var shape: [Int] = []
        for text in header[header.index(after: open)..<close].split(separator: ",") {
            let digits = text.filter { $0 != " " }
            if digits.isEmpty { continue }
            guard let dimension = Int(digits), dimension >= 0, dimension < 1 << 40 else {
                throw wrong("\"\(name)\" has the dimension \(text)")
            }
            shape.append(dimension)
        }
        var byteCount = width
        for dimension in shape {
            let (product, overflow) = byteCount.multipliedReportingOverflow(by: dimension)
            guard !overflow else { throw wrong("\"\(name)\" has the impossible shape \(shape)") }
            byteCount = product
        }
        guard headerStart + headerLength + byteCount == range.upperBound else {
            throw wrong("\"\(name)\" of shape \(shape) does not fill its \(range.count) bytes")
        }
        return NumPyArray(
            type: type, shape: shape, bytes: Array(try slice(headerStart + headerLength, byteCount)))
    }

    private static func quoted(after label: String, in header: String) -> String? {
        let parts = header.split(separator: "'", omittingEmptySubsequences: false)
        let key = label.dropFirst().dropLast(2)
        guard let position = parts.firstIndex(of: key), parts.count > position + 2 else { return nil }
        return String(parts[position + 2])
    }

    /// Offset of the end record, searched from the back: a comment of up to 64 KiB may follow it.
    private func endRecord() throws(InferenceError) -> Int {
        var offset = bytes.count - 22
        while offset >= 0, offset >= bytes.count - 22 - 65_535 {
            if try number(at: offset, 4) == 0x0605_4B50 { return offset }
            offset -= 1
        }
        throw wrong("no end record: it is no zip file, or it is cut short")
    }

    private func slice(_ start: Int, _ count: Int) throws(InferenceError) -> ArraySlice<UInt8> {
        guard start >= 0, count >= 0, start <= bytes.count - count else {
            throw wrong("it ends inside a record at byte \(bytes.count)")
        }
        return bytes[start..<start + count]
    }

    private func number(at offset: Int, _ width: Int) throws(InferenceError) -> Int {
        try slice(offset, width).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private func wrong(_ words: String) -> InferenceError {
        InferenceError(.packageInvalid, "\(file): \(words)", file: file)
    }
}
