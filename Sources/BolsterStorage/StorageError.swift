import Glibc

/// What storage throws: which path or URL, what happened, what to do.
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
        /// No credentials, or ones that are not accepted.
        case credentials
        /// This machine's clock and the server's differ too much for signed requests.
        case clockSkew
        /// An endpoint, a region or a profile that cannot be, or a server that lacks what is needed.
        case misconfigured
        /// The server did not answer, or asked to come back, until patience ended: later may be better.
        case unreachable
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

extension StorageError {
    /// The error of a failed system call: `doing` completes "cannot …".
    init(errno number: Int32, path: String, doing: String) {
        let reason = String(cString: strerror(number))
        let (code, remedy): (Code, String) =
            switch number {
            case ENOENT:
                (
                    .notFound,
                    "no such file or folder; check the path, and that its file system is mounted here"
                )
            case EACCES, EPERM:
                (.permissionDenied, "permission denied; give this user the right, or choose another folder")
            case EROFS:
                (.readOnly, "the file system is mounted read-only; choose another folder or mount it anew")
            case ENOSPC:
                (
                    .full,
                    "no space is left on the device; free some and start again: what is committed is kept"
                )
            case EDQUOT:
                (
                    .full,
                    "the disk quota is used up; free some space and start again: what is committed is kept"
                )
            case EMFILE, ENFILE: (.tooManyOpenFiles, "too many open files; raise the limit (ulimit -n)")
            case EEXIST: (.alreadyExists, "it is there already")
            case EISDIR: (.notAFile, "it is a folder, not a file")
            case ENOTDIR: (.notAFile, "a part of the path is a file, not a folder")
            case ENAMETOOLONG: (.unsafeName, "the name is too long for the file system")
            case ESTALE: (.failed, "stale file handle: the network file system was remounted; start again")
            default: (.failed, reason)
            }
        self.init(code, path: path, errno: number, "cannot \(doing): \(remedy) (\(reason))")
    }
}
