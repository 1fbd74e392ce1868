/// A chunk that counts, and the lease under which it was made.
package struct CommittedChunk: Hashable, Sendable, Codable {
    package let epoch: Epoch
    package let result: ChunkResult

    package init(epoch: Epoch, result: ChunkResult) {
        self.epoch = epoch
        self.result = result
    }
}

/// The committed chunks of one unit: a set, because a second lease may work from the far end.
///
/// Packed, as a finished unit's row and memory hold it (numbers are LEB128 variable-length):
///
///     count ( epoch digest bytes samples skipped advance )*count
///       epoch    0: as the chunk before; otherwise generation + 1, grant
///       digest   8 bytes, little-endian
///       advance  this chunk's range end minus the one's before, zigzag
///
/// Only a complete set is packed, so chunk numbers are positions and the last one is the last.
package struct CommittedChunks: Hashable, Sendable, Codable {
    /// In chunk order.
    package private(set) var chunks: [CommittedChunk] = []
    /// The first chunk that is missing.
    package private(set) var firstMissing = 0

    package init() {}

    package var samples: Int { chunks.reduce(0) { $0 + $1.result.samples } }
    package var skipped: Int { chunks.reduce(0) { $0 + $1.result.skipped } }

    /// Every chunk up to the last one is there.
    package var isComplete: Bool { chunks.last?.result.isLast == true && firstMissing == chunks.count }

    package subscript(chunk: Int) -> CommittedChunk? {
        let place = place(of: chunk)
        guard place < chunks.count, chunks[place].result.chunk == chunk else { return nil }
        return chunks[place]
    }

    /// Whether `result` contradicts what is there: a chunk after the last one, or a last one before others.
    package func contradicts(_ result: ChunkResult) -> Bool {
        guard let last = chunks.last?.result else { return false }
        return result.chunk > last.chunk ? last.isLast : result.isLast
    }

    /// Adds a chunk that is not there yet.
    package mutating func insert(_ chunk: CommittedChunk) {
        let place = place(of: chunk.result.chunk)
        precondition(
            place == chunks.count || chunks[place].result.chunk != chunk.result.chunk,
            "chunk \(chunk.result.chunk) is committed twice")
        chunks.insert(chunk, at: place)
        while firstMissing < chunks.count, chunks[firstMissing].result.chunk == firstMissing {
            firstMissing += 1
        }
    }

    /// Only the chunks whose numbers pass `mayStay`.
    package func keeping(_ mayStay: (Int) -> Bool) -> CommittedChunks {
        var kept = CommittedChunks()
        for chunk in chunks where mayStay(chunk.result.chunk) { kept.insert(chunk) }
        return kept
    }

    /// The committed chunk numbers as ascending ranges.
    package var ranges: [Range<Int>] {
        var ranges: [Range<Int>] = []
        for chunk in chunks.map(\.result.chunk) {
            if let last = ranges.last, last.upperBound == chunk {
                ranges[ranges.count - 1] = last.lowerBound..<chunk + 1
            } else {
                ranges.append(chunk..<chunk + 1)
            }
        }
        return ranges
    }

    private func place(of chunk: Int) -> Int {
        var low = 0
        var high = chunks.count
        if let last = chunks.last, last.result.chunk < chunk { return high }
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].result.chunk < chunk { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension CommittedChunks {
    package func packed() -> [UInt8] {
        precondition(isComplete, "only a finished unit's chunks are packed")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 + chunks.count * 24)
        append(UInt64(chunks.count), to: &bytes)
        var epoch: Epoch?
        var end: Int64 = 0
        for chunk in chunks {
            if chunk.epoch == epoch {
                append(0, to: &bytes)
            } else {
                append(chunk.epoch.generation + 1, to: &bytes)
                append(chunk.epoch.grant, to: &bytes)
                epoch = chunk.epoch
            }
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: chunk.result.digest >> shift))
            }
            append(UInt64(chunk.result.bytes), to: &bytes)
            append(UInt64(chunk.result.samples), to: &bytes)
            append(UInt64(chunk.result.skipped), to: &bytes)
            let advance = chunk.result.rangeEnd - end
            append(UInt64(bitPattern: advance << 1 ^ advance >> 63), to: &bytes)
            end = chunk.result.rangeEnd
        }
        return bytes
    }

    package init(packed bytes: [UInt8]) throws(LeasingError) {
        var reader = PackedReader(bytes: bytes)
        let count = try reader.integer()
        guard count > 0, count <= LeaseProtocol.chunksPerUnitMax else {
            throw reader.damaged("count \(count)")
        }
        var epoch: Epoch?
        var end: Int64 = 0
        for chunk in 0..<count {
            let generation = try reader.number()
            if generation > 0 { epoch = Epoch(generation: generation - 1, grant: try reader.number()) }
            guard let epoch else { throw reader.damaged("no epoch") }
            let digest = try reader.fixed()
            let size = try reader.integer()
            let samples = try reader.integer()
            let skipped = try reader.integer()
            let zigzag = try reader.number()
            end &+= Int64(bitPattern: zigzag >> 1) ^ -Int64(bitPattern: zigzag & 1)
            insert(
                CommittedChunk(
                    epoch: epoch,
                    result: ChunkResult(
                        chunk: chunk, digest: digest, bytes: Int64(size), samples: samples, skipped: skipped,
                        isLast: chunk == count - 1, rangeEnd: end)))
        }
        guard reader.isAtEnd else { throw reader.damaged("bytes after the last chunk") }
    }

    /// How many chunks, samples and skipped samples a packed unit has, without unpacking it: what a start
    /// compares its rows with, so that a damaged one is noticed then and not when somebody needs it.
    package static func summary(
        ofPacked bytes: [UInt8]
    ) throws(LeasingError) -> (chunks: Int, samples: Int, skipped: Int) {
        var reader = PackedReader(bytes: bytes)
        let count = try reader.integer()
        guard count > 0, count <= LeaseProtocol.chunksPerUnitMax else {
            throw reader.damaged("count \(count)")
        }
        var total = (chunks: count, samples: 0, skipped: 0)
        var hasEpoch = false
        for _ in 0..<count {
            if try reader.number() > 0 {
                _ = try reader.number()
                hasEpoch = true
            }
            guard hasEpoch else { throw reader.damaged("no epoch") }
            _ = try reader.fixed()
            _ = try reader.integer()
            let samples = try reader.integer()
            let skipped = try reader.integer()
            _ = try reader.number()
            guard samples <= Int(Int32.max), skipped <= samples else {
                throw reader.damaged("\(skipped) of \(samples) samples skipped")
            }
            total.samples += samples
            total.skipped += skipped
        }
        guard reader.isAtEnd else { throw reader.damaged("bytes after the last chunk") }
        return total
    }

    private func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

private struct PackedReader {
    let bytes: [UInt8]
    var offset = 0

    var isAtEnd: Bool { offset == bytes.count }

    func damaged(_ what: String) -> LeasingError {
        LeasingError(
            .impossibleHistory, "a finished unit's row is damaged: restore the ledger from a backup",
            evidence: "\(what) at byte \(offset) of \(bytes.count)")
    }

    mutating func number() throws(LeasingError) -> UInt64 {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard offset < bytes.count else { throw damaged("cut off") }
            let byte = bytes[offset]
            offset += 1
            guard shift < 63 || byte <= 1 else { throw damaged("a number above 64 bits") }
            number |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return number }
        }
        throw damaged("a number above 64 bits")
    }

    mutating func integer() throws(LeasingError) -> Int {
        let number = try number()
        guard number <= UInt64(Int64.max) / 2 else { throw damaged("an impossible number \(number)") }
        return Int(number)
    }

    mutating func fixed() throws(LeasingError) -> UInt64 {
        guard bytes.count - offset >= 8 else { throw damaged("cut off") }
        var number: UInt64 = 0
        for index in 0..<8 { number |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
        offset += 8
        return number
    }
}
