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
