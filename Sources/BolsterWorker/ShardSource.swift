import BolsterDataset
import BolsterDeterminism
import BolsterStorage

/// A run of samples of one shard, as a unit commits it.
struct ChunkRange: Sendable, Equatable {
    let chunk: Int
    /// The position in the shard of its first sample.
    let firstSample: Int
    let samples: Int
    /// Where its bytes start and end in the shard; ranges of successive chunks touch.
    let start: Int64
    let end: Int64
    /// XXH64 of those bytes.
    let hash: UInt64
    /// No sample follows in the shard.
    let isLast: Bool
}

/// What a shard yields while it is read: samples, and after the last of each chunk its range.
enum ShardEvent: Sendable {
    case sample(Sample)
    case chunkEnded(ChunkRange)
}

/// A source shard, read once as a stream from the first chunk that is wanted, cut into chunks.
///
/// A sample is held back until the next one is seen, because only then it is known whether its chunk is
/// the last. Memory: one block of the file, the samples inside it, and the bytes not yet hashed.
final class ShardSource {
    private static let blockBytes = 1 << 20

    private let chunkSize: Int
    private let isCommitted: (Int) -> Bool
    private var bytes: ByteReader
    private var parser: SampleReader
    private var block = [UInt8](repeating: 0, count: ShardSource.blockBytes)
    private var fileEnded = false

    private var hasher = XXH64Hasher()
    /// Bytes read and not yet hashed, the first of them at `hashedTo` in the shard.
    private var unhashed: [UInt8] = []
    private var hashedTo: Int64

    private var chunk: Int
    private var chunkStart: Int64
    private var firstSample: Int
    private var samplesInChunk = 0
    private var heldBack: Sample?
    private var queued: ShardEvent?
    private var finished = false

    /// - Parameters:
    ///   - chunk: the first chunk that is read, and `offset` the byte where it starts.
    ///   - isCommitted: chunks whose samples are read past and not handed out.
    ///   - cache: where this node keeps remote shards.
    init(
        shard: Shard, chunk: Int, chunkSize: Int, offset: Int64, cache: ShardCache? = nil,
        committed isCommitted: @escaping (Int) -> Bool
    ) throws {
        self.chunkSize = chunkSize
        self.isCommitted = isCommitted
        self.chunk = chunk
        self.chunkStart = offset
        self.hashedTo = offset
        self.firstSample = chunk * chunkSize
        let bytes = try ByteReader(opening: shard, at: offset, through: cache)
        guard bytes.identity == shard.identity else {
            throw WorkerError(
                .mismatch,
                "the shard is not the one the run began with: it has \(bytes.identity.size) bytes, version"
                    + " \(bytes.identity.version), then \(shard.identity.size) and \(shard.identity.version)",
                evidence: shard.location)
        }
        self.bytes = bytes
        self.parser = SampleReader(
            shard: shard.location, firstSample: chunk * chunkSize, startOffset: offset)
    }

    /// The next event, nil after the last chunk's end.
    ///
    /// - Throws: DatasetError or StorageError, after everything before the damage has been handed out.
    func next() throws -> ShardEvent? {
        while true {
            if let event = queued {
                queued = nil
                return event
            }
            guard !finished else { return nil }
            let following = try nextSample()
            let ready = heldBack
            heldBack = following
            if let ready {
                if let event = take(ready, isLast: following == nil) { return event }
            } else if following == nil {
                finished = true
                return .chunkEnded(endChunk(at: chunkStart, isLast: true))
            }
        }
    }

    /// Counts a sample into its chunk; where it completes the chunk, the chunk's end is queued.
    private func take(_ sample: Sample, isLast: Bool) -> ShardEvent? {
        samplesInChunk += 1
        let wanted = !isCommitted(chunk)
        if isLast { finished = true }
        if isLast || samplesInChunk == chunkSize {
            let range = endChunk(at: sample.end, isLast: isLast)
            if wanted { queued = .chunkEnded(range) }
            if isLast, !wanted { return nil }
        }
        return wanted ? .sample(sample) : nil
    }

    private func endChunk(at end: Int64, isLast: Bool) -> ChunkRange {
        hash(to: end)
        let range = ChunkRange(
            chunk: chunk, firstSample: firstSample, samples: samplesInChunk, start: chunkStart, end: end,
            hash: hasher.current(), isLast: isLast)
        hasher = XXH64Hasher()
        chunkStart = end
        firstSample += samplesInChunk
        samplesInChunk = 0
        chunk += 1
        return range
    }

    private func nextSample() throws -> Sample? {
        while true {
            if let sample = try parser.next() {
                hashHeldBack()
                return sample
            }
            if fileEnded { return nil }
            let count = try block.withUnsafeMutableBytes { try bytes.read(into: $0) }
            if count == 0 {
                fileEnded = true
                parser.finish()
            } else {
                block.withUnsafeBytes { block in
                    let read = UnsafeRawBufferPointer(rebasing: block[..<count])
                    parser.append(read)
                    unhashed.append(contentsOf: read)
                }
            }
        }
    }

    /// The sample held back belongs to the current chunk, so its bytes need not be kept any longer.
    private func hashHeldBack() {
        guard let heldBack, heldBack.end - hashedTo > Int64(Self.blockBytes) else { return }
        hash(to: heldBack.end)
    }

    private func hash(to end: Int64) {
        let count = Int(end - hashedTo)
        unhashed.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        unhashed.removeFirst(count)
        hashedTo = end
    }
}
