import BolsterDataset
import BolsterDeterminism
import BolsterStorage

/// Streams the samples of a tar with their content in memory, one at a time and without copying it: all
/// members of the sample at hand lie in one buffer, which holds little more than that sample.
///
///                    ┌── the sample at hand ──┐
///     …read and gone │[hdr][a.jpg ▒][hdr][a.txt]│[hdr]… read ahead │ not yet read…
///                    ▲ windowStart                               ▲ windowStart + filled
struct SampleWindow: ~Copyable {
    /// What is read at once, and the buffer's least size.
    private static let pieceBytes = 4 << 20

    private let shard: String
    private var source: ByteReader
    private var scanner: TarScanner
    private let limits = TarSampleReader.Limits()
    private var buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 2 * Self.pieceBytes, alignment: 64)
    /// The offset in the shard of the buffer's first byte.
    private var windowStart: Int64 = 0
    private var filled = 0
    private var pending: TarScanner.Member?
    private var seen: Set<UInt64> = []
    private var hasEnded = false

    init(opening shard: Shard) throws(StorageError) {
        self.shard = shard.location
        source = try ByteReader(opening: shard.location)
        scanner = TarScanner(shard: shard.location)
    }

    deinit { buffer.deallocate() }

    /// The members of the next sample, nil at the archive's end. `bytes(of:)` has their content until the
    /// next call.
    mutating func next() throws(MergerError) -> [TarScanner.Member]? {
        guard !hasEnded else { return nil }
        var members: [TarScanner.Member] = []
        if let pending { members.append(pending) }
        pending = nil
        while true {
            switch scanner.next() {
            case .needs(let offset, let count):
                try fill(upTo: offset + Int64(count), keeping: members.first?.start ?? offset)
                let there = max(0, min(Int64(count), windowStart + Int64(filled) - offset))
                let start = there > 0 ? Int(offset - windowStart) : 0
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<(start + Int(there))])
                do throws(DatasetError) {
                    try scanner.take(bytes)
                } catch {
                    throw unreadable(error)
                }
            case .member(let member):
                if let first = members.first, !first.name.key.utf8.elementsEqual(member.name.key.utf8) {
                    pending = member
                    try check(members)
                    return members
                }
                members.append(member)
                try checkSize(members)
            case .end(let offset):
                hasEnded = true
                try check(members)
                try finish(from: offset, keeping: members.first?.start ?? offset)
                return members.isEmpty ? nil : members
            }
        }
    }

    /// The content of a member of the sample at hand.
    func bytes(of member: TarScanner.Member) -> UnsafeRawBufferPointer {
        let start = Int(member.content.lowerBound - windowStart)
        return UnsafeRawBufferPointer(rebasing: buffer[start..<(start + member.content.count)])
    }

    /// Keys and extensions come once.
    private mutating func check(_ members: [TarScanner.Member]) throws(MergerError) {
        guard let first = members.first else { return }
        guard seen.insert(XXH64Hasher.hash(of: Array(first.name.key.utf8))).inserted else {
            throw unreadable(
                DatasetError(
                    .duplicateKey, source: shard, offset: first.start, member: first.name.full,
                    "the key was already there: the members of one sample must be adjacent and its key used "
                        + "once; write the shard sorted by name"))
        }
        for (place, member) in members.enumerated()
        where members[..<place].contains(where: { $0.name.extension == member.name.extension }) {
            throw unreadable(
                DatasetError(
                    .duplicateKey, source: shard, offset: member.start, member: member.name.full,
                    "the sample has a file of this extension already"))
        }
    }

    /// Before its content is read.
    private func checkSize(_ members: [TarScanner.Member]) throws(MergerError) {
        guard let first = members.first, let last = members.last else { return }
        guard last.end - first.start <= limits.sampleBytesMax, members.count <= limits.membersPerSampleMax
        else {
            throw unreadable(
                DatasetError(
                    .tooLarge, source: shard, offset: first.start, member: first.name.full,
                    "its sample has over \(limits.sampleBytesMax) bytes or \(limits.membersPerSampleMax) "
                        + "files, the most that is read"))
        }
    }

    /// Reads until the window reaches `end` or the shard does. What lies before `first` may go.
    private mutating func fill(upTo end: Int64, keeping first: Int64) throws(MergerError) {
        while windowStart + Int64(filled) < end {
            let windowEnd = windowStart + Int64(filled)
            if first >= windowEnd {
                windowStart = windowEnd
                filled = 0
            } else if buffer.count - filled < Self.pieceBytes / 4 {
                compact(from: Int(first - windowStart))
            }
            let count: Int
            do throws(StorageError) {
                let room = min(Self.pieceBytes, buffer.count - filled)
                count = try source.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<(filled + room)]))
            } catch {
                throw unreadable(error)
            }
            if count == 0 { return }
            filled += count
        }
    }

    /// Moves what is kept to the buffer's beginning, and makes the buffer larger where that gives no room.
    private mutating func compact(from start: Int) {
        let kept = UnsafeRawBufferPointer(rebasing: buffer[start..<filled])
        if buffer.count - kept.count < Self.pieceBytes {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * buffer.count, alignment: 64)
            larger.copyMemory(from: kept)
            buffer.deallocate()
            buffer = larger
        } else {
            buffer.copyMemory(from: kept)
        }
        windowStart += Int64(start)
        filled = kept.count
    }

    /// Behind the end marker may be nothing but zeros.
    private mutating func finish(from offset: Int64, keeping first: Int64) throws(MergerError) {
        var place = offset
        while true {
            try fill(upTo: place + 512, keeping: min(first, place))
            let windowEnd = windowStart + Int64(filled)
            guard windowEnd > place else { return }
            let rest = buffer[Int(place - windowStart)..<filled]
            guard rest.allSatisfy({ $0 == 0 }) else {
                throw unreadable(
                    DatasetError(
                        .damagedShard, source: shard, offset: place,
                        "data follows the end of the archive; were two tars concatenated? Write them as one"))
            }
            place = windowEnd
        }
    }

    private func unreadable(_ cause: any Error & Sendable) -> MergerError {
        MergerError(.unreadableShard, "a shard cannot be read to its end", evidence: [shard], cause: cause)
    }
}
