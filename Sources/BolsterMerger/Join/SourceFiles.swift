import BolsterDataset
import BolsterStorage

/// One source sample in memory; its members' places count from the buffer's beginning.
struct SourceSample {
    let members: [TarScanner.Member]
    /// Valid until the next sample is read.
    let buffer: UnsafeRawBufferPointer

    func bytes(of member: TarScanner.Member) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            rebasing: buffer[Int(member.content.lowerBound)..<Int(member.content.upperBound)])
    }
}

/// Reads samples of the source shards at their places; keeps the shards used last open. For one thread.
final class SourceFiles {
    private static let openMax = 64

    private final class OpenFile {
        let file: SeekableFile
        var lastUse = 0
        init(_ path: String) throws(StorageError) { file = try SeekableFile(opening: path) }
    }

    private let shards: [Shard]
    private let copies: SourceCopies
    private var open: [Int: OpenFile] = [:]
    private var uses = 0
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)

    init(_ shards: [Shard], _ copies: SourceCopies) {
        self.shards = shards
        self.copies = copies
    }

    deinit { buffer.deallocate() }

    /// The sample at a place; nil where it has another name and only the hash is the same.
    func sample(
        at place: SourceIndex.Place, name: String, field: String?
    ) throws(MergerError) -> SourceSample? {
        let shard = shards[Int(place.shard)]
        if buffer.count < place.byteCount {
            buffer.deallocate()
            buffer = .allocate(byteCount: place.byteCount * 2, alignment: 64)
        }
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<place.byteCount])
        let copy = try copies.copy(of: Int(place.shard))
        let members: [TarScanner.Member]
        let bytes: UnsafeRawBufferPointer
        do throws(StorageError) {
            let read = try openFile(Int(place.shard), copy).file.read(at: place.offset, into: target)
            bytes = UnsafeRawBufferPointer(rebasing: target[..<read])
        } catch {
            throw changed(shard, name, error)
        }
        do throws(DatasetError) {
            members = try Self.members(of: bytes, shard: shard.location)
        } catch {
            throw changed(shard, name, error)
        }
        let sample = SourceSample(members: members, buffer: bytes)
        var actual = members.first?.name.key ?? ""
        if let field, let json = members.first(where: { $0.name.extension == "json" }),
            let uid = UIDField.value(in: sample.bytes(of: json), field)
        {
            actual = uid
        }
        return actual.utf8.elementsEqual(name.utf8) ? sample : nil
    }

    private func changed(_ shard: Shard, _ name: String, _ cause: any Error & Sendable) -> MergerError {
        MergerError(
            .changedShard, "a source sample is not where it was a moment ago: was its shard changed?",
            evidence: [shard.name, name], cause: cause)
    }

    private static func members(
        of bytes: UnsafeRawBufferPointer, shard: String
    ) throws(DatasetError) -> [TarScanner.Member] {
        var scanner = TarScanner(shard: shard)
        var members: [TarScanner.Member] = []
        while members.last.map({ $0.end < Int64(bytes.count) }) ?? true {
            switch scanner.next() {
            case .needs(let offset, let count):
                let start = min(Int(offset), bytes.count)
                let end = min(start + count, bytes.count)
                try scanner.take(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            case .member(let member):
                guard member.end <= Int64(bytes.count) else {
                    throw DatasetError(.truncatedShard, source: shard, "the sample ends early")
                }
                members.append(member)
            case .end: return members
            }
        }
        return members
    }

    private func openFile(_ shard: Int, _ copy: SourceCopy) throws(StorageError) -> OpenFile {
        uses += 1
        if let file = open[shard] {
            file.lastUse = uses
            return file
        }
        if open.count >= Self.openMax, let oldest = open.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            open[oldest.key] = nil
        }
        let file = try OpenFile(copy.path)
        file.lastUse = uses
        open[shard] = file
        return file
    }
}
