import Glibc

/// Writes a file that is either there whole and durable, or not at all: the bytes go to a temporary name in
/// the same folder, and `commit` syncs them, renames the file and syncs the folder. A writer that goes
/// without a commit removes its temporary file; one whose process was killed leaves a name that `isTemporary`
/// tells.
package struct AtomicFileWriter: ~Copyable {
    package let path: String
    /// Bytes appended so far.
    package private(set) var bytesWritten: Int64 = 0
    private let temporary: String
    private let file: FileHandle
    private var isCommitted = false

    /// Makes the folders above `path` where they are missing.
    package init(path: String) throws(StorageError) {
        let folder = Folder.parent(of: path)
        try Folder.make(folder)
        let temporary = Self.temporaryPath(for: path)
        do {
            file = try FileHandle(opening: temporary, O_WRONLY | O_CREAT | O_EXCL, doing: "create the file")
        } catch {
            throw error.told(of: path)
        }
        // Says that this writer lives. Where the file system knows no locks, nobody can take it for dead.
        _ = file.lock(.shared)
        self.path = path
        self.temporary = temporary
    }

    deinit {
        if !isCommitted { unlink(temporary) }
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        do {
            try file.write(bytes)
        } catch {
            throw error.told(of: path)
        }
        bytesWritten += Int64(bytes.count)
    }

    package mutating func append(_ bytes: [UInt8]) throws(StorageError) {
        // The array's own closure call would lose the error's type, so it travels as a result.
        let outcome = bytes.withUnsafeBytes { bytes in
            Result { () throws(StorageError) in try append(bytes) }
        }
        try outcome.get()
    }

    /// Makes the file durable under its name, replacing what was there.
    ///
    /// - Parameter durably: false does not wait for the disk. The name still appears with the whole content
    ///   or not at all as long as the machine runs; a power failure can leave it with less, so that whoever
    ///   goes on after a start of the machine must compare it with what was written.
    package consuming func commit(durably: Bool = true) throws(StorageError) {
        if durably {
            do {
                try file.synchronize()
            } catch {
                throw error.told(of: path)
            }
        }
        guard rename(temporary, path) == 0 else {
            throw StorageError(errno: errno, path: path, doing: "name the finished file")
        }
        isCommitted = true
        if durably { try Folder.synchronize(Folder.parent(of: path)) }
    }

    /// Makes the file durable under its name unless something is there already; false where there is. Of
    /// several that try at once exactly one gets true.
    package consuming func commitExclusively() throws(StorageError) -> Bool {
        do {
            try file.synchronize()
        } catch {
            throw error.told(of: path)
        }
        // Link and not rename: it fails where the name is taken, on network file systems too.
        // There a repeated request may report the name as taken by the first one: the link count tells.
        if link(temporary, path) != 0 {
            let number = errno
            guard try file.status().st_nlink > 1 else {
                if number == EEXIST { return false }
                throw StorageError(errno: number, path: path, doing: "name the finished file")
            }
        }
        unlink(temporary)
        isCommitted = true
        try Folder.synchronize(Folder.parent(of: path))
        return true
    }

    /// Whether a base name is that of a file that was never committed.
    package static func isTemporary(_ baseName: some StringProtocol) -> Bool {
        baseName.hasPrefix(".") && baseName.hasSuffix(".tmp")
    }

    /// Removes a temporary file whose writer is gone. One that is still written, by another process or from
    /// another machine, is locked by its writer and stays.
    package static func removeAbandoned(_ path: String) throws(StorageError) {
        let file: FileHandle
        do {
            file = try FileHandle(opening: path, O_RDWR, doing: "look at the unfinished file")
        } catch  where error.code == .notFound {
            // Its writer, or somebody else who clears up, was faster.
            return
        }
        guard file.lock(.exclusive), unlink(path) != 0, errno != ENOENT else { return }
        throw StorageError(errno: errno, path: path, doing: "remove the unfinished file")
    }

    private static func temporaryPath(for path: String) -> String {
        let base = path.split(separator: "/").last.map(String.init) ?? ""
        let random = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        // Shortened, so that a name of the longest legal length has a legal temporary one.
        return Folder.join(Folder.parent(of: path), ".\(base.prefix(64)).\(getpid())-\(random).tmp")
    }
}

extension StorageError {
    /// The same, told of the file that was meant rather than of its temporary name.
    func told(of path: String) -> StorageError {
        var error = self
        error.path = path
        return error
    }
}
