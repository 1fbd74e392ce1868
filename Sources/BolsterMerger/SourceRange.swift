import BolsterDeterminism

/// Bytes of a source shard with their hash.
struct SourceRange: Equatable {
    var start: Int64
    var end: Int64
    /// Sixteen hexadecimal digits.
    var xxh64: String
}

/// Hashes the bytes of each chunk while they stream past, whatever the pieces they come in. A chunk's range
/// begins where the one before ended, so that every byte up to the last sample belongs to one. Kept are the
/// pieces that reach beyond the last sample taken: about one sample and one piece.
struct RangeHasher: ~Copyable {
    private var pieces: [(start: Int64, bytes: [UInt8])] = []
    private var arrived: Int64 = 0
    private var hasher = XXH64Hasher()
    private var start: Int64 = 0
    private var position: Int64 = 0

    /// The next bytes of the shard.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        pieces.append((arrived, Array(bytes)))
        arrived += Int64(bytes.count)
    }

    /// Takes everything up to the end of a sample into the chunk at hand. The bytes have arrived.
    mutating func take(upTo end: Int64) {
        precondition(end <= arrived, "byte \(end) has not arrived; \(arrived) have")
        for piece in pieces {
            let pieceEnd = piece.start + Int64(piece.bytes.count)
            guard pieceEnd > position, position < end else { continue }
            let lower = Int(position - piece.start)
            let upper = Int(min(end, pieceEnd) - piece.start)
            piece.bytes.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[lower..<upper])) }
            position = piece.start + Int64(upper)
        }
        pieces.removeAll { $0.start + Int64($0.bytes.count) <= end }
    }

    /// Ends the chunk and begins the next.
    mutating func finishChunk() -> SourceRange {
        defer {
            start = position
            hasher = XXH64Hasher()
        }
        return SourceRange(start: start, end: position, xxh64: Hexadecimal.text(of: hasher.current()))
    }
}
