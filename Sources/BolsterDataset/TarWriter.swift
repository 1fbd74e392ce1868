/// Samples' files in, the bytes of a tar out: ustar headers with fixed metadata, so that equal content gives
/// equal bytes; a pax header before a member whose name or size ustar cannot hold.
package struct TarWriter: Sendable {
    private var written: Int64 = 0

    package init() {}

    /// Bytes given out so far.
    package var bytesWritten: Int64 { written }

    /// Appends a member with its header and padding. Its mode is 0644; owner and time are 0.
    package mutating func append(name: String, bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        appendHeader(name: name, size: bytes.count, to: &output)
        output.append(contentsOf: bytes)
        output.append(contentsOf: repeatElement(0, count: Self.padding(of: bytes.count)))
    }

    /// Appends what stands before a member's content. The caller writes `size` bytes after it, and `padding`
    /// zeros.
    package mutating func appendHeader(name: String, size: Int, to output: inout [UInt8]) {
        let before = output.count
        let raw = Array(name.utf8)
        let place = Self.place(raw)
        if place == nil || size >= 1 << 33 {
            Self.appendPax(name: place == nil ? raw : nil, size: size >= 1 << 33 ? size : nil, to: &output)
        }
        Self.appendHeader(
            place ?? (name: Array(raw.prefix(100)), prefix: []), size: size, type: "0", to: &output)
        written += Int64(output.count - before + size + Self.padding(of: size))
    }

    /// Zeros behind a content of `size` bytes.
    package static func padding(of size: Int) -> Int { (512 - size % 512) % 512 }

    package mutating func append(name: String, bytes: [UInt8], to output: inout [UInt8]) {
        bytes.withUnsafeBytes { append(name: name, bytes: $0, to: &output) }
    }

    /// Appends the two zero blocks that end an archive, and zeros up to a whole record of 10,240 bytes, which
    /// is what tar programs write.
    package mutating func finish(to output: inout [UInt8]) {
        let ended = written + 1024
        let padding = (10240 - ended % 10240) % 10240
        output.append(contentsOf: repeatElement(0, count: Int(1024 + padding)))
        written = ended + padding
    }

    /// The name's two fields; nil where it does not fit them or is no ASCII.
    private static func place(_ name: [UInt8]) -> (name: [UInt8], prefix: [UInt8])? {
        guard name.allSatisfy({ $0 < 128 }) else { return nil }
        if name.count <= 100 { return (name, []) }
        for slash in name.indices.reversed() where name[slash] == UInt8(ascii: "/") {
            let rest = name.count - slash - 1
            if slash <= 155, slash > 0, (1...100).contains(rest) {
                return (Array(name[(slash + 1)...]), Array(name[..<slash]))
            }
        }
        return nil
    }

    private static func appendPax(name: [UInt8]?, size: Int?, to output: inout [UInt8]) {
        var records: [UInt8] = []
        if let name { records += record("path", name) }
        if let size { records += record("size", Array(String(size).utf8)) }
        appendHeader(
            (name: Array("././@PaxHeader".utf8), prefix: []), size: records.count, type: "x", to: &output)
        output += records
        output.append(contentsOf: repeatElement(0, count: (512 - records.count % 512) % 512))
    }

    /// "<length> <key>=<value>\n", where the length counts its own digits.
    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = key.utf8.count + value.count + 3
        var length = rest + String(rest).utf8.count
        length = rest + String(length).utf8.count
        return Array("\(length) \(key)=".utf8) + value + [10]
    }

    private static func appendHeader(
        _ place: (name: [UInt8], prefix: [UInt8]), size: Int, type: Unicode.Scalar, to output: inout [UInt8]
    ) {
        let start = output.count
        output.append(contentsOf: repeatElement(0, count: 512))
        output.withUnsafeMutableBytes { bytes in
            let block = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            func put(_ bytes: some Collection<UInt8>, at offset: Int) {
                UnsafeMutableRawBufferPointer(rebasing: block[offset...]).copyBytes(from: bytes)
            }
            put(place.name, at: 0)
            put("0000644\0".utf8, at: 100)
            put("0000000\0".utf8, at: 108)
            put("0000000\0".utf8, at: 116)
            // A size over the field stands in the pax header alone, as POSIX has it.
            putOctal(size < 1 << 33 ? size : 0, digits: 11, into: block, at: 124)
            putOctal(0, digits: 11, into: block, at: 136)
            put("        ".utf8, at: 148)
            block[156] = UInt8(ascii: type)
            put("ustar\u{0}00".utf8, at: 257)
            put(place.prefix, at: 345)
            var sum = 0
            for byte in block { sum += Int(byte) }
            putOctal(sum, digits: 6, into: block, at: 148)
            block[154] = 0
        }
    }

    private static func putOctal(
        _ value: Int, digits: Int, into block: UnsafeMutableRawBufferPointer, at offset: Int
    ) {
        var rest = value
        for place in (offset..<(offset + digits)).reversed() {
            block[place] = UInt8(ascii: "0") + UInt8(rest & 7)
            rest >>= 3
        }
    }
}
