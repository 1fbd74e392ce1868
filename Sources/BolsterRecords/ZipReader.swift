import BolsterCompression

/// Reads ZIP archives of stored or deflated members: ours, NumPy's (`savez` with ZIP64 local headers, and
/// `savez_compressed`) and PyTorch's.
struct ZipReader {
    /// The most that all members together may unpack to.
    private static let bytesMax = 1 << 30

    /// Every member, in the directory's order.
    let members: [(name: String, content: [UInt8])]

    /// Throws `malformed` where the archive contradicts itself, or a member is packed in another way or its
    /// CRC is wrong.
    init(_ archive: [UInt8], name: String) throws(RecordsError) {
        func mistake(_ what: String) -> RecordsError { RecordsError(.malformed, "\(name): \(what)") }
        guard archive.count >= 22, archive.littleEndian(at: archive.count - 22) == UInt32(0x0605_4B50) else {
            throw mistake("no ZIP end record; the archive is truncated or none")
        }
        let end = archive.count - 22
        let count = Int(archive.littleEndian(at: end + 10) as UInt16)
        var offset = Int(archive.littleEndian(at: end + 16) as UInt32)
        var members: [(name: String, content: [UInt8])] = []
        var total = 0
        for _ in 0..<count {
            guard offset + 46 <= end, archive.littleEndian(at: offset) == UInt32(0x0201_4B50) else {
                throw mistake("the ZIP directory is damaged at offset \(offset)")
            }
            let method: UInt16 = archive.littleEndian(at: offset + 10)
            let crc: UInt32 = archive.littleEndian(at: offset + 16)
            let packed = Int(archive.littleEndian(at: offset + 20) as UInt32)
            let size = Int(archive.littleEndian(at: offset + 24) as UInt32)
            let nameBytes = Int(archive.littleEndian(at: offset + 28) as UInt16)
            let extra = Int(archive.littleEndian(at: offset + 30) as UInt16)
            let comment = Int(archive.littleEndian(at: offset + 32) as UInt16)
            let local = Int(archive.littleEndian(at: offset + 42) as UInt32)
            guard offset + 46 + nameBytes <= end, local + 30 <= end else {
                throw mistake("a ZIP offset is too large")
            }
            let member = String(decoding: archive[(offset + 46)..<(offset + 46 + nameBytes)], as: UTF8.self)
            let start =
                local + 30 + Int(archive.littleEndian(at: local + 26) as UInt16)
                + Int(archive.littleEndian(at: local + 28) as UInt16)
            total += size
            guard start + packed <= end, total <= Self.bytesMax else {
                throw mistake("\(member) exceeds the archive")
            }
            let bytes = Array(archive[start..<(start + packed)])
            switch method {
            case 0:
                guard packed == size, bytes.withUnsafeBytes({ CRC32.of([$0]) }) == crc || size == 0 else {
                    throw mistake("\(member) fails its CRC")
                }
                members.append((member, bytes))
            case 8:
                do {
                    members.append((member, try Self.inflated(bytes, size: size, crc: crc)))
                } catch {
                    throw mistake("\(member): \(error)")
                }
            default: throw mistake("\(member) is packed by method \(method), neither stored nor deflated")
            }
            offset += 46 + nameBytes + extra + comment
        }
        self.members = members
    }

    /// A deflated member with a gzip header before and its CRC and size behind is a gzip file (RFC 1952).
    private static func inflated(
        _ bytes: [UInt8], size: Int, crc: UInt32
    ) throws(CompressionError) -> [UInt8] {
        var file: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3] + bytes
        file.appendLittleEndian(crc)
        file.appendLittleEndian(UInt32(size))
        return try Gzip.decompressed(file, bytesMax: size)
    }
}
