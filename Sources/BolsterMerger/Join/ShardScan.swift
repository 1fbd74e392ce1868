import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Reads a shard's headers, and of its contents only what names a sample.
struct ShardScan: ~Copyable {
    private static let prefetchBytes: Int64 = 8 << 20

    private let shard: Shard
    private let file: SeekableFile
    private let field: String?
    private var scanner: TarScanner
    private var prefetched: Int64 = 0
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)

    /// - Parameters:
    ///   - copy: the shard's, which is read.
    ///   - field: names samples by this field of their `json`; nil names them by their key.
    init(_ shard: Shard, _ copy: SourceCopy, field: String?) throws(MergerError) {
        let file = try Self.open(shard, copy)
        guard file.identity.size <= SourceIndex.shardBytesMax else {
            throw MergerError(
                .unreadableShard, "a shard of over 2 TiB cannot be indexed; split it", evidence: [shard.name])
        }
        self.shard = shard
        self.file = file
        self.field = field
        scanner = TarScanner(shard: shard.location)
    }

    private static func open(_ shard: Shard, _ copy: SourceCopy) throws(MergerError) -> SeekableFile {
        do throws(StorageError) {
            return try SeekableFile(opening: copy.path)
        } catch {
            throw MergerError(.unreadableShard, "cannot open a shard", evidence: [shard.name], cause: error)
        }
    }

    deinit { scratch.deallocate() }

    /// What a sample is called, and the first and last of its bytes.
    struct Found {
        var name: String
        var start: Int64
        var end: Int64
    }

    /// Hands over every sample in order. Where the shard is damaged, what came before has been handed over,
    /// but for the sample that the damage follows: nobody knows whether it was complete.
    ///
    /// - Returns: what is wrong with the shard, nil where nothing is.
    consuming func run(_ body: (Found) throws(MergerError) -> Void) throws(MergerError) -> String? {
        var current: (key: String, uid: String?, start: Int64, end: Int64)?
        func found() throws(MergerError) {
            guard let sample = current else { return }
            try body(Found(name: sample.uid ?? sample.key, start: sample.start, end: sample.end))
        }
        do {
            while true {
                switch scanner.next() {
                case .needs(let offset, let count): try look(at: offset, count: count)
                case .member(let member):
                    if !(current?.key.utf8.elementsEqual(member.name.key.utf8) ?? false) {
                        try found()
                        current = (member.name.key, nil, member.start, member.end)
                    }
                    current?.end = member.end
                    if let field, member.name.extension == "json", let uid = try uid(in: member, field) {
                        current?.uid = uid
                    }
                case .end(let offset):
                    try found()
                    return try trailing(from: offset)
                }
            }
        } catch let error as MergerError {
            throw error
        } catch {
            return "\(error)"
        }
    }

    private mutating func look(at offset: Int64, count: Int) throws {
        if offset + Self.prefetchBytes / 2 > prefetched {
            let start = max(prefetched, offset)
            file.prefetch(at: start, count: Self.prefetchBytes)
            prefetched = start + Self.prefetchBytes
        }
        let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<count])
        let read = try file.read(at: offset, into: buffer)
        try scanner.take(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
    }

    /// The uid in a `json` of ordinary size.
    private func uid(in member: TarScanner.Member, _ field: String) throws -> String? {
        guard member.content.count <= 4 << 20 else { return nil }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: member.content.count, alignment: 16)
        defer { buffer.deallocate() }
        let read = try file.read(at: member.content.lowerBound, into: buffer)
        return UIDField.value(in: UnsafeRawBufferPointer(rebasing: buffer[..<read]), field)
    }

    /// What stands behind the end marker, where that is anything but zeros.
    private func trailing(from offset: Int64) throws -> String? {
        var place = offset
        while true {
            let count = try file.read(at: place, into: scratch)
            if count == 0 { return nil }
            guard scratch[..<count].allSatisfy({ $0 == 0 }) else {
                return
                    "\(shard.location), byte \(place): data follows the archive's end; write it as one tar"
            }
            place += Int64(count)
        }
    }
}

/// The uid in a sample's `json`.
enum UIDField {
    /// A string or a number; nil where there is none, or where the bytes are no JSON object.
    static func value(in json: UnsafeRawBufferPointer, _ field: String) -> String? {
        guard let standard = RepairedJSON.standard(Array(json)) else { return nil }
        do {
            switch try JSONValue(parsing: standard)[field] {
            case .string(let text)?: return text
            case .number(let text)?: return text
            default: return nil
            }
        } catch {
            // A sample whose facts cannot be read is called by its key.
            return nil
        }
    }
}
