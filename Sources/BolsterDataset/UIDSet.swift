import BolsterDeterminism

/// A set of samples' uids, as DataComp's subset files hold it.
///
/// A uid of 32 hexadecimal digits is a number of 128 bits. Any other text is taken by the first 128 bits of
/// its SHA-256, so that every uid costs 16 bytes, whatever it looks like: 12.8 million are 205 MB.
package struct UIDSet: Sendable, Equatable {
    /// Sorted, each once.
    private let numbers: [UInt128]

    package var count: Int { numbers.count }

    /// SHA-256 over the sorted numbers, most significant byte first: what a fingerprint covers. It does not
    /// depend on the file's form or order.
    package let digest: SHA256Digest

    private init(unsorted: [UInt128]) {
        var sorted = unsorted
        sorted.sort()
        var last: UInt128?
        sorted.removeAll { number in
            defer { last = number }
            return number == last
        }
        var hasher = SHA256Hasher()
        var block: [UInt8] = []
        for number in sorted {
            withUnsafeBytes(of: number.bigEndian) { block += $0 }
            if block.count >= 1 << 16 {
                hasher.update(block)
                block.removeAll(keepingCapacity: true)
            }
        }
        hasher.update(block)
        numbers = sorted
        digest = hasher.finalize()
    }

    /// Reads a file by its name: ".npy", or one uid to the line. Throws `damagedSelection`.
    package init(file name: String, _ bytes: [UInt8]) throws(DatasetError) {
        let numbers = name.hasSuffix(".npy") ? try Self.numbers(npy: bytes, name) : Self.numbers(lines: bytes)
        guard !numbers.isEmpty else {
            throw DatasetError(
                .damagedSelection, source: name, "names no uid, so that nothing would be selected")
        }
        self.init(unsorted: numbers)
    }

    package func contains(_ uid: String) -> Bool {
        let wanted = Self.number(uid.utf8)
        var range = numbers.startIndex..<numbers.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if numbers[middle] == wanted { return true }
            range = numbers[middle] < wanted ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return false
    }

    private static func number(_ uid: some Collection<UInt8>) -> UInt128 {
        if uid.count == 32 {
            var number: UInt128 = 0
            var isHexadecimal = true
            for byte in uid {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt128(byte - 48)
                case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt128(byte - 87)
                case UInt8(ascii: "A")...UInt8(ascii: "F"): number = number << 4 | UInt128(byte - 55)
                default: isHexadecimal = false
                }
            }
            if isHexadecimal { return number }
        }
        return SHA256Hasher.digest(of: Array(uid)).bytes.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// One uid to the line; blanks around it, blank lines and lines that begin with "#" do not count.
    private static func numbers(lines bytes: [UInt8]) -> [UInt128] {
        bytes.split { $0 == 10 || $0 == 13 }.compactMap { line in
            let isBlank = { (byte: UInt8) in byte == 32 || byte == 9 }
            let uid = line.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
            return uid.isEmpty || uid.first == UInt8(ascii: "#") ? nil : number(Array(uid))
        }
    }

    /// A one-dimensional array of pairs of 64-bit integers, the upper half first: NumPy's dtype "u8,u8".
    private static func numbers(npy bytes: [UInt8], _ name: String) throws(DatasetError) -> [UInt128] {
        let array = try NumPyHeader(bytes, of: name)
        guard array.shape.count == 1, array.isPairOfUInt64 else {
            throw DatasetError(
                .damagedSelection, source: name,
                "holds '\(array.type)' of shape \(array.shape); expected a one-dimensional array of dtype "
                    + "'u8,u8', as DataComp's subset files are")
        }
        let (size, overflows) = array.shape[0].multipliedReportingOverflow(by: 16)
        guard !overflows, bytes.count - array.bytesCount == size else {
            throw DatasetError(
                .damagedSelection, source: name, offset: Int64(array.bytesCount),
                "has \(bytes.count - array.bytesCount) bytes for \(array.shape[0]) uids of 16; copy the file "
                    + "again")
        }
        return bytes.withUnsafeBytes { bytes in
            (0..<array.shape[0]).map { index in
                let place = array.bytesCount + 16 * index
                let upper = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                let lower = UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self))
                return UInt128(upper) << 64 | UInt128(lower)
            }
        }
    }
}
