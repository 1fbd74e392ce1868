/// UTF-8 that went through programs that lost some of its bytes, and its decoding. Patterns as in ftfy 6.3
/// (Robyn Speer, Apache License 2.0).
enum LossyUTF8 {
    private typealias Bytes = [ClosedRange<UInt8>]

    private static let space: Bytes = [0x20...0x20]
    private static let tail: Bytes = [0x80...0xBF]
    /// Continuation bytes that, with a space in the place of 0xA0 beside them, are no accident.
    private static let telling: Bytes = [0x80...0x84, 0x86...0x9F, 0xA1...0xBF]
    private static let lost: Bytes = [0x1A...0x1A]
    private static let unknown: Bytes = [0x1A...0x1A, 0x3F...0x3F]
    private static let lostOrTail: Bytes = [0x1A...0x1A, 0x80...0xBF]

    /// Sequences that would be UTF-8 if their space were byte 0xA0.
    private static let alteredSpaces: [[Bytes]] = [
        [[0xC2...0xC3, 0xC5...0xC5, 0xCE...0xCE, 0xD0...0xD0, 0xD9...0xD9], space],
        [[0xE2...0xE3], space, telling],
        [[0xE0...0xE3], telling, space],
        [[0xF0...0xF0], space, tail, tail],
        [[0xF0...0xF0], tail, space, tail],
        [[0xF0...0xF0], tail, tail, space],
    ]

    /// Sequences in which a byte became 0x1A or a question mark.
    private static let lostBytes: [[Bytes]] = {
        let high: Bytes = [0xED...0xED]
        let (firstHalf, secondHalf): (Bytes, Bytes) = ([0xA0...0xAF], [0xB0...0xBF])
        let unknownOrTail: Bytes = unknown + tail
        return [
            [[0xC2...0xDF], lost],
            [[0xC2...0xC3], [0x3F...0x3F]],
            [high, firstHalf, unknown, high, secondHalf, unknownOrTail],
            [high, firstHalf, unknownOrTail, high, secondHalf, unknown],
            [[0xE0...0xEF], unknown, lostOrTail],
            [[0xE0...0xEF], lostOrTail, unknown],
            [[0xF0...0xF4], unknown, lostOrTail, lostOrTail],
            [[0xF0...0xF4], lostOrTail, unknown, lostOrTail],
            [[0xF0...0xF4], lostOrTail, lostOrTail, unknown],
            [lost],
        ]
    }()

    static func hasAlteredSpace(_ bytes: [UInt8]) -> Bool {
        bytes.indices.contains { match(alteredSpaces, bytes, at: $0) != nil }
    }

    /// Puts byte 0xA0 where a space took its place.
    static func restoringSpaces(_ bytes: [UInt8]) -> [UInt8] {
        let graved = restoringGraveWords(bytes)
        return replacing(alteredSpaces, in: graved) { $0.map { $0 == 0x20 ? 0xA0 : $0 } }
    }

    /// Puts the UTF-8 of U+FFFD where a sequence is lost.
    static func replacingLostBytes(_ bytes: [UInt8]) -> [UInt8] {
        replacing(lostBytes, in: bytes) { _ in [0xEF, 0xBF, 0xBD] }
    }

    /// The word "à" whose second byte became a space keeps the space after it; Portuguese contractions
    /// with "à" do not.
    private static func restoringGraveWords(_ bytes: [UInt8]) -> [UInt8] {
        let exceptions = [" ", "quele", "quela", "quilo", "s "].map { Array($0.utf8) }
        var output: [UInt8] = []
        var position = 0
        while position < bytes.count {
            let isWord =
                bytes[position] == 0xC3 && position + 1 < bytes.count && bytes[position + 1] == 0x20
                && !exceptions.contains { bytes[(position + 2)...].starts(with: $0) }
            output += isWord ? [0xC3, 0xA0, 0x20] : [bytes[position]]
            position += isWord ? 2 : 1
        }
        return output
    }

    private static func match(_ patterns: [[Bytes]], _ bytes: [UInt8], at position: Int) -> Int? {
        let pattern = patterns.first { pattern in
            position + pattern.count <= bytes.count
                && pattern.indices.allSatisfy { index in
                    pattern[index].contains { $0.contains(bytes[position + index]) }
                }
        }
        return pattern?.count
    }

    private static func replacing(
        _ patterns: [[Bytes]], in bytes: [UInt8], with replacement: (ArraySlice<UInt8>) -> [UInt8]
    ) -> [UInt8] {
        var output: [UInt8] = []
        var position = 0
        while position < bytes.count {
            if let count = match(patterns, bytes, at: position) {
                output += replacement(bytes[position..<position + count])
                position += count
            } else {
                output.append(bytes[position])
                position += 1
            }
        }
        return output
    }

    /// Strict UTF-8, and besides it Java's two-byte null and surrogate pairs written as two sequences of
    /// three bytes (CESU-8, Unicode Technical Report 26). Nil for anything else.
    static func decode(_ bytes: [UInt8]) -> [Unicode.Scalar]? {
        var output: [Unicode.Scalar] = []
        output.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            let lead = bytes[position]
            if lead == 0xC0, position + 1 < bytes.count, bytes[position + 1] == 0x80 {
                output.append("\0")
                position += 2
                continue
            }
            let (count, smallest): (Int, UInt32)
            switch lead {
            case 0x00...0x7F: (count, smallest) = (1, 0)
            case 0xC2...0xDF: (count, smallest) = (2, 0x80)
            case 0xE0...0xEF: (count, smallest) = (3, 0x800)
            case 0xF0...0xF4: (count, smallest) = (4, 0x1_0000)
            default: return nil
            }
            guard var value = number(bytes, at: position, count: count), value >= smallest else { return nil }
            position += count
            if (0xD800...0xDBFF).contains(value) {
                guard position < bytes.count, bytes[position] == 0xED,
                    let low = number(bytes, at: position, count: 3), (0xDC00...0xDFFF).contains(low)
                else { return nil }
                value = 0x1_0000 + (value - 0xD800) << 10 + (low - 0xDC00)
                position += 3
            }
            guard let scalar = Unicode.Scalar(value) else { return nil }
            output.append(scalar)
        }
        return output
    }

    /// The number in a sequence of `count` bytes; nil where its other bytes are no continuation.
    private static func number(_ bytes: [UInt8], at position: Int, count: Int) -> UInt32? {
        guard position + count <= bytes.count else { return nil }
        if count == 1 { return UInt32(bytes[position]) }
        var value = UInt32(bytes[position]) & (0x7F >> UInt32(count))
        for byte in bytes[position + 1..<position + count] {
            guard (0x80...0xBF).contains(byte) else { return nil }
            value = value << 6 | UInt32(byte & 0x3F)
        }
        return value
    }
}
