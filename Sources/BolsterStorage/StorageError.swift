/// What storage throws: which path, what happened, what to do.
package struct StorageError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, Equatable {
        case notFound, permissionDenied, readOnly, full, tooManyOpenFiles, alreadyExists, notAFile
        /// A name that leaves the store's root, or that is no name.
        case unsafeName
        /// An input list that names nothing, or the same shard name twice.
        case badInput
        /// The file changed or ended while it was read.
        case changed
        /// Compressed bytes that do not decompress.
        case damaged
        /// The system's error, told in the message.
        case failed
    }

    package var code: Code
    package var path: String
    /// Says what is wrong and what to do about it.
    package var message: String
    /// The system's error number, 0 where none is involved.
    package var errno: Int32

    package init(_ code: Code, path: String, errno: Int32 = 0, _ message: String) {
        self.code = code
        self.path = path
        self.errno = errno
        self.message = message
    }

    package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
