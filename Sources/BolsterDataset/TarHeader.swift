/// The 512 bytes before a member, as POSIX.1-2024 (ustar, pax) and GNU tar lay them out:
///
///     0     100       124   136  148    156 157       257  263              345     500
///     name  mode…gid  size  mtime chksum type linkname magic version …devmin prefix  pad
struct TarHeader: Equatable {
    enum Kind: Equatable {
        case file
        /// Directories, devices, pipes, volume labels: nothing a sample can lose.
        case passedOver
        /// "x": records that hold for the next member.
        case pax
        /// "g": records that hold for all that follow.
        case globalPax
        /// "L": the next member's name.
        case longName
        /// "K": the next member's link target, which no sample needs.
        case longLink
        case hardLink, symbolicLink
        case sparse
        /// A type that no known writer makes for a file.
        case unknown(UInt8)
    }

    static let bytesCount = 512

    var kind: Kind
    /// The raw name; a pax record or a long name may replace it.
    var name: [UInt8]
    /// Bytes of what follows, before padding.
    var size: Int64

    enum Refusal: Error, Equatable {
        case checksum
        case size
    }

    /// Whether the block is all zero: the archive's end.
    static func isZero(_ block: [UInt8]) -> Bool {
        block.allSatisfy { $0 == 0 }
    }

    /// Reads one block of 512 bytes.
    init(_ block: [UInt8]) throws(Refusal) {
        precondition(block.count == Self.bytesCount)
        guard Self.checksumHolds(block) else { throw .checksum }
        guard let size = Self.number(block[124..<136]) else { throw .size }
        let type = block[156]
        var name = Self.text(block[0..<100])
        // Only POSIX's magic has the prefix field; GNU's ("ustar  ") keeps times there.
        let isPOSIX = block[257..<263].elementsEqual("ustar\0".utf8)
        let prefix = isPOSIX ? Self.text(block[345..<500]) : []
        if !prefix.isEmpty { name = prefix + [UInt8(ascii: "/")] + name }
        self.name = name
        kind = Self.kind(ofType: type)
        // A directory's size is a hint and nothing follows it, and links carry nothing.
        switch kind {
        case .passedOver where type != UInt8(ascii: "V") && type != UInt8(ascii: "D"): self.size = 0
        default: self.size = size
        }
    }

    private static func kind(ofType type: UInt8) -> Kind {
        switch type {
        // Before ustar a directory was a file whose name ends in a slash; only the full name can tell, as
        // GNU's long names are cut here.
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): .file
        case UInt8(ascii: "1"): .hardLink
        case UInt8(ascii: "2"): .symbolicLink
        case UInt8(ascii: "3")...UInt8(ascii: "6"), UInt8(ascii: "V"), UInt8(ascii: "D"): .passedOver
        case UInt8(ascii: "x"), UInt8(ascii: "X"): .pax
        case UInt8(ascii: "g"): .globalPax
        case UInt8(ascii: "L"): .longName
        case UInt8(ascii: "K"): .longLink
        case UInt8(ascii: "S"): .sparse
        default: .unknown(type)
        }
    }

    /// The sum of all bytes with the checksum's own eight taken as spaces. Old writers summed signed bytes.
    private static func checksumHolds(_ block: [UInt8]) -> Bool {
        guard let stated = number(block[148..<156]) else { return false }
        var sum: Int64 = 0
        var above: Int64 = 0
        for byte in block {
            sum += Int64(byte)
            above += Int64(byte >> 7)
        }
        for byte in block[148..<156] {
            sum += 32 - Int64(byte)
            above -= Int64(byte >> 7)
        }
        return sum == stated || sum - 256 * above == stated
    }

    /// Octal digits between spaces, ended by a space or NUL; or base 256 where the first bit is set. Nil for
    /// anything else and for what is negative or over 2^62.
    static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first else { return nil }
        var value: UInt64 = 0
        if first & 0x80 != 0 {
            guard first == 0x80 else { return nil }
            for byte in field.dropFirst() {
                guard value >> 54 == 0 else { return nil }
                value = value << 8 | UInt64(byte)
            }
            return Int64(value)
        }
        var digits = field.drop { $0 == 32 }
        while let digit = digits.first, digit != 0, digit != 32 {
            guard (48...55).contains(digit), value >> 58 == 0 else { return nil }
            value = value << 3 | UInt64(digit - 48)
            digits = digits.dropFirst()
        }
        guard digits.allSatisfy({ $0 == 0 || $0 == 32 }) else { return nil }
        return Int64(value)
    }

    private static func text(_ field: ArraySlice<UInt8>) -> [UInt8] {
        [UInt8](field.prefix { $0 != 0 })
    }
}

/// The records of a pax header: "<length> <key>=<value>\n", the length counting all of the record.
struct PaxRecords: Equatable {
    var path: [UInt8]?
    var size: Int64?
    var isSparse = false

    /// Nil where the records do not parse.
    init?(_ body: some Collection<UInt8>) {
        var bytes = [UInt8](body)[...]
        while let first = bytes.first {
            // Some writers pad with NUL.
            if first == 0, bytes.allSatisfy({ $0 == 0 }) { return }
            guard let space = bytes.firstIndex(of: 32), space - bytes.startIndex <= 10,
                let length = Int(String(decoding: bytes[bytes.startIndex..<space], as: UTF8.self)),
                length > space - bytes.startIndex + 2, length <= bytes.count
            else { return nil }
            let record = bytes[(space + 1)..<(bytes.startIndex + length)]
            guard record.last == 10, let equals = record.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let value = record[(equals + 1)...].dropLast()
            switch String(decoding: record[..<equals], as: UTF8.self) {
            case "path": path = [UInt8](value)
            case "size":
                guard let number = Int64(String(decoding: value, as: UTF8.self)), number >= 0,
                    number < 1 << 62
                else { return nil }
                size = number
            case let key where key.hasPrefix("GNU.sparse."): isSparse = true
            default: break
            }
            bytes = bytes[(bytes.startIndex + length)...]
        }
    }
}
