/// Byte-pair encoding: neighbouring symbols are merged in the order that the merge list was learnt (Sennrich,
/// Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016).
struct BytePairMerges: Sendable {
    private struct Merge: Sendable {
        let rank: Int32
        let symbol: Int32
    }

    /// Keyed by left symbol << 32 | right symbol.
    private let merges: [UInt64: Merge]

    /// Reads `merges.txt`: two tokens a line with a space between.
    ///
    /// - Throws: `packageInvalid` that names the line whose tokens, or what they join to, are not in `ids`.
    init(_ bytes: [UInt8], file: String, ids: [String: Int32]) throws(InferenceError) {
        var merges: [UInt64: Merge] = [:]
        var rank: Int32 = 0
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 2, let left = ids[parts[0]], let right = ids[parts[1]],
                let symbol = ids[parts[0] + parts[1]]
            else {
                throw InferenceError(
                    .packageInvalid,
                    "\(file), line \(rank + 1): \"\(String(decoding: line, as: UTF8.self))\"; expected two "
                        + "tokens of the vocabulary whose joined text is one too", file: file)
            }
            // Of equal lines the last one counts, as in a Python dictionary.
            merges[Self.pair(left, right)] = Merge(rank: rank, symbol: symbol)
            rank += 1
        }
        self.merges = merges
    }

    /// A word's symbols, merged.
    func merged(_ word: [Int32]) -> [Int32] {
        var symbols = word
        while symbols.count > 1 {
            var best: (merge: Merge, left: Int32, right: Int32)?
            for index in 1..<symbols.count {
                guard let merge = merges[Self.pair(symbols[index - 1], symbols[index])] else { continue }
                if best == nil || merge.rank < best!.merge.rank {
                    best = (merge, symbols[index - 1], symbols[index])
                }
            }
            guard let best else { break }
            var write = 0
            var read = 0
            while read < symbols.count {
                if read + 1 < symbols.count, symbols[read] == best.left, symbols[read + 1] == best.right {
                    symbols[write] = best.merge.symbol
                    read += 2
                } else {
                    symbols[write] = symbols[read]
                    read += 1
                }
                write += 1
            }
            symbols.removeLast(symbols.count - write)
        }
        return symbols
    }

    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}

/// CLIP's (GPT-2's) writing of bytes as visible characters: bytes that are visible in Latin-1 stand for
/// themselves, the others for U+0100 onwards in their order.
enum ByteAlphabet {
    private static let scalars: [Unicode.Scalar] = {
        var next: UInt16 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                guard let scalar = Unicode.Scalar(next) else { preconditionFailure("U+\(next) is a letter") }
                return scalar
            }
        }
    }()

    private static let values: [Unicode.Scalar: UInt8] = {
        var values: [Unicode.Scalar: UInt8] = [:]
        for (value, scalar) in scalars.enumerated() { values[scalar] = UInt8(value) }
        return values
    }()

    static func scalar(of byte: UInt8) -> Unicode.Scalar { scalars[Int(byte)] }

    /// Nil where a character is none of the alphabet.
    static func bytes(of token: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in token.unicodeScalars {
            guard let byte = values[scalar] else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
