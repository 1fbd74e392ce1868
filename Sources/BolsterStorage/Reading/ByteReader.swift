import BolsterCompression
import BolsterDataset

/// Reads one shard from an offset to its end, in order: a file, an object of a bucket ("s3://…"), or what a
/// web server has ("http://…", "https://…"). A shard whose name ends in ".gz" or ".zst" is decompressed on
/// the way, and its offsets are those of its content: since neither can be sought, what lies before is read
/// and thrown away.
package struct ByteReader: ~Copyable {
    /// What the shard was when it was opened: to be compared with the identity that the ledger has frozen.
    /// Its size is that of the file, compressed or not.
    package let identity: ShardIdentity
    private let source: any ByteSource

    /// Opens a path or URL at a byte of its content. An offset behind its end is an error: the shard is not
    /// the one that it was.
    package init(opening location: String, at offset: Int64 = 0) throws(StorageError) {
        try self.init(location, at: offset) { start throws(StorageError) in
            try Self.open(location, at: start)
        }
    }

    /// Opens a shard through a node's cache: a remote one is read from its copy there, or kept while it
    /// comes.
    package init(opening shard: Shard, at offset: Int64, through cache: ShardCache?) throws(StorageError) {
        try self.init(shard.location, at: offset) { start throws(StorageError) in
            if let source = try cache?.source(of: shard, at: start) { return (source, shard.identity) }
            return try Self.open(shard.location, at: start)
        }
    }

    private init(
        _ location: String, at offset: Int64,
        _ open: (Int64) throws(StorageError) -> (source: any ByteSource, identity: ShardIdentity)
    ) throws(StorageError) {
        precondition(offset >= 0, "a shard begins at 0")
        let isCompressed = Self.compression(of: location) != nil
        let (raw, identity) = try open(isCompressed ? 0 : offset)
        let source = Self.decompressed(raw, location)
        if isCompressed {
            let size = try Self.skip(offset, of: source)
            guard size == offset else { throw Self.changed(location, offset, size: size) }
        }
        self.identity = identity
        self.source = source
    }

    private static func open(
        _ location: String, at offset: Int64
    ) throws(StorageError) -> (source: any ByteSource, identity: ShardIdentity) {
        if location.hasPrefix(S3Location.scheme) || WebServer.isURL(location) {
            let object = try RemoteObject.open(location)
            let identity = object.identity
            guard offset <= identity.size else { throw changed(location, offset, size: identity.size) }
            return (RemoteReader(object, at: offset), identity)
        }
        let file = try FileSource(opening: location)
        let identity = file.identity
        guard offset <= identity.size else { throw changed(location, offset, size: identity.size) }
        try file.seek(to: offset)
        return (file, identity)
    }

    /// Fills the buffer's beginning; the count of bytes, 0 at the end. Damage is thrown where it shows,
    /// behind all bytes before it.
    package mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try source.read(into: buffer)
    }

    private enum Compression { case gzip, zstandard }

    private static func compression(of location: String) -> Compression? {
        let path = WebServer.isURL(location) ? location.prefix { $0 != "?" && $0 != "#" } : location[...]
        if path.hasSuffix(".gz") { return .gzip }
        return path.hasSuffix(".zst") ? .zstandard : nil
    }

    private static func decompressed(_ source: any ByteSource, _ location: String) -> any ByteSource {
        switch compression(of: location) {
        case .gzip: DecompressedSource(GzipDecoder(), of: source, path: location)
        case .zstandard: DecompressedSource(ZstandardDecoder(), of: source, path: location)
        case nil: source
        }
    }

    /// Throws away what lies before an offset; the count of bytes, less than asked for where the end comes
    /// first.
    private static func skip(_ offset: Int64, of source: any ByteSource) throws(StorageError) -> Int64 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        var skipped: Int64 = 0
        while skipped < offset {
            let count = Int(min(offset - skipped, Int64(buffer.count)))
            let produced = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
            if produced == 0 { break }
            skipped += Int64(produced)
        }
        return skipped
    }

    private static func changed(_ path: String, _ offset: Int64, size: Int64) -> StorageError {
        StorageError(
            .changed, path: path,
            "cannot go on from byte \(offset): the shard has \(size). It was changed or truncated since the "
                + "run began; put the old one back")
    }
}

extension RemoteObject {
    /// Finds what a URL names and what version of it is there now.
    static func open(_ location: String) throws(StorageError) -> RemoteObject {
        guard location.hasPrefix(S3Location.scheme) else { return try WebServer.shared.open(location) }
        return try open(S3Location(location), S3Client.shared.get())
    }

    static func open(_ place: S3Location, _ client: S3Client) throws(StorageError) -> RemoteObject {
        guard let facts = try client.facts(place) else {
            throw StorageError(.notFound, path: place.url, "there is no such object; check the key")
        }
        return RemoteObject(client, place, ShardIdentity(size: facts.size, version: facts.etag))
    }
}
