import BolsterCompression

/// ZIP archives whose members are stored, not compressed (PKWARE's APPNOTE.TXT): what NumPy's `savez` and
/// PyTorch's `save` write. Deterministic: every member is dated 1980-01-01, as NumPy's are.
///
///     [local header, name, padding, data] per member, central directory, end record
///
/// No ZIP64: members and archive stay below 4 GiB, a sample's embeddings by far.
struct StoredZipWriter {
    private(set) var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var count: UInt16 = 0

    private static let dosDate: UInt16 = 0x21
    private static let version: UInt16 = 20

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    /// Appends a member whose content begins at a multiple of `alignment` (1: anywhere; PyTorch wants 64).
    mutating func append(_ name: String, alignment: Int = 1, _ content: [UnsafeRawBufferPointer]) {
        let size = content.reduce(0) { $0 + $1.count }
        precondition(bytes.count + size < Int(UInt32.max), "a member of \(size) bytes needs ZIP64")
        let start = bytes.count
        let unpadded = start + 30 + name.utf8.count
        // An extra field has a header of four bytes, so padding is none or at least four.
        var padding = (alignment - unpadded % alignment) % alignment
        if padding > 0 && padding < 4 { padding += alignment }

        bytes.appendLittleEndian(UInt32(0x0403_4B50))
        let common = commonFields(crc: CRC32.of(content), size: UInt32(size), name: name)
        bytes += common
        bytes.appendLittleEndian(UInt16(padding))
        bytes += Array(name.utf8)
        if padding > 0 {
            bytes += Array("FB".utf8)
            bytes.appendLittleEndian(UInt16(padding - 4))
            bytes += [UInt8](repeating: UInt8(ascii: "Z"), count: padding - 4)
        }
        for part in content { bytes += part }

        directory.appendLittleEndian(UInt32(0x0201_4B50))
        directory.appendLittleEndian(Self.version)
        directory += common
        directory += [UInt8](repeating: 0, count: 12)  // no extra field, comment, disk or attributes
        directory.appendLittleEndian(UInt32(start))
        directory += Array(name.utf8)
        count += 1
    }

    mutating func append(_ name: String, alignment: Int = 1, _ content: [UInt8]) {
        content.withUnsafeBytes { append(name, alignment: alignment, [$0]) }
    }

    consuming func finish() -> [UInt8] {
        let start = bytes.count
        bytes += directory
        bytes.appendLittleEndian(UInt32(0x0605_4B50))
        bytes.appendLittleEndian(UInt32(0))
        bytes.appendLittleEndian(count)
        bytes.appendLittleEndian(count)
        bytes.appendLittleEndian(UInt32(directory.count))
        bytes.appendLittleEndian(UInt32(start))
        bytes.appendLittleEndian(UInt16(0))
        return bytes
    }

    /// The fields that local header and directory share: version needed to length of the name.
    private func commonFields(crc: UInt32, size: UInt32, name: String) -> [UInt8] {
        var fields: [UInt8] = []
        fields.appendLittleEndian(Self.version)
        fields.appendLittleEndian(UInt16(0))
        fields.appendLittleEndian(UInt16(0))  // stored
        fields.appendLittleEndian(UInt16(0))
        fields.appendLittleEndian(Self.dosDate)
        fields.appendLittleEndian(crc)
        fields.appendLittleEndian(size)
        fields.appendLittleEndian(size)
        fields.appendLittleEndian(UInt16(name.utf8.count))
        return fields
    }
}

/// Reads archives of stored members, ours, NumPy's (with ZIP64 local headers) and PyTorch's.
struct StoredZipReader {
    /// Name and content's place of every member, in the directory's order.
    let members: [(name: String, range: Range<Int>)]

    /// Throws `malformed` where the archive contradicts itself, a member is compressed or its CRC is wrong.
    init(_ archive: [UInt8], name: String) throws(RecordsError) {
        func mistake(_ what: String) -> RecordsError { RecordsError(.malformed, "\(name): \(what)") }
        guard archive.count >= 22, archive.littleEndian(at: archive.count - 22) == UInt32(0x0605_4B50) else {
            throw mistake("no ZIP end record; the archive is truncated or none")
        }
        let end = archive.count - 22
        let count = Int(archive.littleEndian(at: end + 10) as UInt16)
        var offset = Int(archive.littleEndian(at: end + 16) as UInt32)
        var members: [(name: String, range: Range<Int>)] = []
        for _ in 0..<count {
            guard offset + 46 <= end, archive.littleEndian(at: offset) == UInt32(0x0201_4B50) else {
                throw mistake("the ZIP directory is damaged at offset \(offset)")
            }
            let method: UInt16 = archive.littleEndian(at: offset + 10)
            let crc: UInt32 = archive.littleEndian(at: offset + 16)
            let size = Int(archive.littleEndian(at: offset + 24) as UInt32)
            let nameBytes = Int(archive.littleEndian(at: offset + 28) as UInt16)
            let extra = Int(archive.littleEndian(at: offset + 30) as UInt16)
            let comment = Int(archive.littleEndian(at: offset + 32) as UInt16)
            let local = Int(archive.littleEndian(at: offset + 42) as UInt32)
            guard offset + 46 + nameBytes <= end, local + 30 <= end else {
                throw mistake("a ZIP offset is too large")
            }
            let member = String(decoding: archive[(offset + 46)..<(offset + 46 + nameBytes)], as: UTF8.self)
            guard method == 0 else { throw mistake("\(member) is compressed (method \(method)), not stored") }
            let start =
                local + 30 + Int(archive.littleEndian(at: local + 26) as UInt16)
                + Int(archive.littleEndian(at: local + 28) as UInt16)
            guard start + size <= end else { throw mistake("\(member) exceeds the archive") }
            let actual = archive[start..<(start + size)].withUnsafeBytes { CRC32.of([$0]) }
            guard size == 0 || actual == crc else {
                throw mistake("\(member) fails its CRC")
            }
            members.append((member, start..<(start + size)))
            offset += 46 + nameBytes + extra + comment
        }
        self.members = members
    }
}
