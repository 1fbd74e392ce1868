/// Named byte strings under one root: a folder on a local or network file system, or a bucket with a prefix
/// ("s3://bucket/prefix"). Names are relative, of components between single slashes. A name's content is
/// written whole or not at all, and durable when the call returns.
///
/// What a bucket's endpoint, region and credentials are comes from environment and profile files and is
/// looked up when it is first needed.
package struct ObjectStore: Sendable {
    /// The folder, an absolute path or one relative to the process's; or "s3://bucket/prefix".
    package let root: String
    private let backend: any StoreBackend

    package init(root: String) {
        self.root = root
        backend = root.hasPrefix(S3Location.scheme) ? S3Store(root: root) : LocalStore(root: root)
    }

    init(root: String, client: S3Client) {
        self.root = root
        backend = S3Store(root: root, client: client)
    }

    /// Whether the root is a folder: what is written is then durable without going over a network by HTTP.
    package var isLocal: Bool { !root.hasPrefix(S3Location.scheme) }

    /// Writes or replaces.
    package func write(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        try backend.write(location(of: name), bytes)
    }

    /// Writes unless the name is taken, and says whether it did. Of several callers, on several machines too,
    /// exactly one gets true.
    package func createExclusively(_ name: String, _ bytes: [UInt8]) throws(StorageError) -> Bool {
        try backend.createExclusively(location(of: name), bytes)
    }

    /// What is too long for memory is written through this; nothing is there until its commit.
    package func writer(_ name: String) throws(StorageError) -> ObjectWriter {
        ObjectWriter(try backend.sink(location(of: name)))
    }

    package func read(_ name: String) throws(StorageError) -> [UInt8] {
        try backend.read(location(of: name), range: nil)
    }

    /// Bytes `range` of the content; fewer where it ends before.
    package func read(_ name: String, range: Range<Int64>) throws(StorageError) -> [UInt8] {
        precondition(range.lowerBound >= 0, "content begins at 0")
        return range.isEmpty ? [] : try backend.read(location(of: name), range: range)
    }

    /// Bytes of the content.
    package func size(_ name: String) throws(StorageError) -> Int64 {
        let location = try location(of: name)
        guard let size = try backend.size(location) else {
            throw StorageError(.notFound, path: location, "is not there; check the name")
        }
        return size
    }

    /// All names that begin with `prefix`, sorted by their bytes. What was never committed is none.
    package func list(prefix: String) throws(StorageError) -> [String] {
        if let slash = prefix.lastIndex(of: "/") { _ = try location(of: String(prefix[..<slash])) }
        return try backend.list(prefix: prefix)
    }

    /// What `list` names, with sizes and times.
    package func objects(prefix: String) throws(StorageError) -> [StoredObject] {
        if let slash = prefix.lastIndex(of: "/") { _ = try location(of: String(prefix[..<slash])) }
        return try backend.objects(prefix: prefix)
    }

    /// Removes the name; an absent one is no error.
    package func delete(_ name: String) throws(StorageError) {
        try backend.delete(location(of: name))
    }

    package func exists(_ name: String) throws(StorageError) -> Bool {
        try backend.size(location(of: name)) != nil
    }

    /// Removes what writers that were killed left: temporary files, uploads that were never completed. What
    /// is younger than `age` may still be written by somebody.
    ///
    /// - Returns: how many there were.
    @discardableResult
    package func removeUnfinished(
        under folder: String = "", olderThan age: Duration
    ) throws(StorageError) -> Int {
        if !folder.isEmpty { _ = try location(of: folder) }
        return try backend.removeUnfinished(under: folder, olderThan: age)
    }

    /// The path or URL of a name: what `ByteReader` opens. Throws for a name that leaves the root.
    package func location(of name: String) throws(StorageError) -> String {
        let components = name.split(separator: "/", omittingEmptySubsequences: false)
        let isUnsafe = components.contains { component in
            component.isEmpty || component == "." || component == ".." || component.utf8.contains(0)
        }
        guard !isUnsafe else {
            throw StorageError(
                .unsafeName, path: name,
                "is no name in \(root): names are relative, without empty, '.' or '..' components")
        }
        return Folder.join(root, name)
    }
}

/// One name of an `ObjectStore` and what is known of its content without reading it.
package struct StoredObject: Sendable, Equatable {
    package var name: String
    /// Bytes.
    package var size: Int64
    /// When it was written, in seconds since 1970.
    package var modified: Int64
}

/// What keeps an `ObjectStore`'s content. Locations are those of `ObjectStore.location(of:)`, so that names
/// were checked before.
protocol StoreBackend: Sendable {
    func write(_ location: String, _ bytes: [UInt8]) throws(StorageError)
    func createExclusively(_ location: String, _ bytes: [UInt8]) throws(StorageError) -> Bool
    func sink(_ location: String) throws(StorageError) -> any ObjectSink
    /// All of it without a range.
    func read(_ location: String, range: Range<Int64>?) throws(StorageError) -> [UInt8]
    /// Nil where there is nothing.
    func size(_ location: String) throws(StorageError) -> Int64?
    /// Names, relative to the root.
    func list(prefix: String) throws(StorageError) -> [String]
    func objects(prefix: String) throws(StorageError) -> [StoredObject]
    func delete(_ location: String) throws(StorageError)
    func removeUnfinished(under folder: String, olderThan age: Duration) throws(StorageError) -> Int
}
