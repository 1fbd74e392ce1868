/// Writes one object of an `ObjectStore` piece by piece; it is there whole and durable after the commit, or
/// not at all. A writer that goes without a commit takes back what it sent or wrote.
///
/// Memory: a local file's pieces are written at once; towards a bucket at most three parts of 16 MiB wait,
/// which are uploaded behind the caller's work.
package struct ObjectWriter: ~Copyable {
    /// Bytes appended so far.
    package private(set) var bytesWritten: Int64 = 0
    private let sink: any ObjectSink

    init(_ sink: any ObjectSink) { self.sink = sink }

    deinit { sink.discard() }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        try sink.append(bytes)
        bytesWritten += Int64(bytes.count)
    }

    package mutating func append(_ bytes: [UInt8]) throws(StorageError) {
        // The array's own closure call would lose the error's type, so it travels as a result.
        let outcome = bytes.withUnsafeBytes { bytes in
            Result { () throws(StorageError) in try append(bytes) }
        }
        try outcome.get()
    }

    /// Makes the object durable under its name, replacing what was there.
    ///
    /// - Parameter durably: false does not wait for a local disk, as `AtomicFileWriter.commit` says; a bucket
    ///   always answers for what it has taken.
    package consuming func commit(durably: Bool = true) throws(StorageError) {
        _ = try sink.commit(exclusively: false, durably: durably)
    }

    /// Makes the object durable under its name unless something is there already; false where there is. Of
    /// several that try at once exactly one gets true.
    package consuming func commitExclusively() throws(StorageError) -> Bool {
        try sink.commit(exclusively: true, durably: true)
    }
}

/// Where an object's bytes go. Called by one thread; after `commit` only `discard` follows.
protocol ObjectSink: AnyObject {
    func append(_ bytes: UnsafeRawBufferPointer) throws(StorageError)
    /// False where the object was to be new and the name is taken.
    func commit(exclusively: Bool, durably: Bool) throws(StorageError) -> Bool
    /// Takes back what is not committed; does nothing after a commit.
    func discard()
}

/// A file's writer in a class, for an existential cannot hold a noncopyable value.
final class FileSink: ObjectSink {
    private var writer: AtomicFileWriter?

    init(path: String) throws(StorageError) { writer = try AtomicFileWriter(path: path) }

    func append(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        guard var open = writer.take() else { preconditionFailure("a committed object takes no more bytes") }
        let outcome = Result { () throws(StorageError) in try open.append(bytes) }
        writer = consume open
        try outcome.get()
    }

    func commit(exclusively: Bool, durably: Bool) throws(StorageError) -> Bool {
        guard let open = writer.take() else { preconditionFailure("an object is committed once") }
        if exclusively { return try open.commitExclusively() }
        try open.commit(durably: durably)
        return true
    }

    func discard() { writer = nil }
}
