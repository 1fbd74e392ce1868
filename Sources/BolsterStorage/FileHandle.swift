import Glibc

/// An open file descriptor, closed when it goes. Calls interrupted by a signal are repeated.
struct FileHandle: ~Copyable {
    let descriptor: Int32
    /// For messages.
    let path: String

    init(opening path: String, _ flags: Int32, mode: mode_t = 0o644, doing: String) throws(StorageError) {
        let descriptor = Self.repeating { open(path, flags | O_CLOEXEC, mode) }
        guard descriptor >= 0 else { throw StorageError(errno: errno, path: path, doing: doing) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Repeats a call that a signal interrupted.
    static func repeating<Number: SignedInteger>(_ call: () -> Number) -> Number {
        while true {
            let result = call()
            if result != -1 || errno != EINTR { return result }
        }
    }

    /// The bytes read, 0 at the end.
    borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let base = buffer.baseAddress, !buffer.isEmpty else { return 0 }
        let descriptor = descriptor
        let count = Self.repeating { Glibc.read(descriptor, base, buffer.count) }
        guard count >= 0 else { throw StorageError(errno: errno, path: path, doing: "read") }
        return count
    }

    /// Writes all bytes.
    borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        var rest = bytes[...]
        let descriptor = descriptor
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let count = Self.repeating { Glibc.write(descriptor, piece.baseAddress, piece.count) }
            guard count >= 0 else { throw StorageError(errno: errno, path: path, doing: "write") }
            rest = rest.dropFirst(count)
        }
    }

    /// Waits until the content is on the device. Some file systems report a full disk only here.
    borrowing func synchronize() throws(StorageError) {
        let descriptor = descriptor
        guard Self.repeating({ fsync(descriptor) }) == 0 else {
            throw StorageError(errno: errno, path: path, doing: "make durable")
        }
    }

    borrowing func status() throws(StorageError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw StorageError(errno: errno, path: path, doing: "look at")
        }
        return status
    }
}

/// Calls on folders.
enum Folder {
    /// The folder that holds `path`.
    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func join(_ folder: String, _ name: String) -> String {
        folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }

    /// Makes a name that was created, renamed or removed in the folder durable.
    static func synchronize(_ path: String) throws(StorageError) {
        let folder = try FileHandle(opening: path, O_RDONLY | O_DIRECTORY, doing: "open the folder")
        let descriptor = folder.descriptor
        if FileHandle.repeating({ fsync(descriptor) }) != 0 {
            // Some network file systems have no durable folders to offer and say so.
            guard errno == EINVAL || errno == ENOTSUP else {
                throw StorageError(errno: errno, path: path, doing: "make durable")
            }
        }
    }

    /// Makes the folder and those above it, each durable; does nothing where it is there.
    static func make(_ path: String) throws(StorageError) {
        if mkdir(path, 0o755) == 0 { return try synchronize(parent(of: path)) }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0 else {
                throw StorageError(errno: errno, path: path, doing: "look at the folder")
            }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw StorageError(errno: ENOTDIR, path: path, doing: "make the folder")
            }
        case ENOENT where parent(of: path) != path:
            try make(parent(of: path))
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
                throw StorageError(errno: errno, path: path, doing: "make the folder")
            }
            try synchronize(parent(of: path))
        case let number:
            throw StorageError(errno: number, path: path, doing: "make the folder")
        }
    }

    /// The names in a folder, sorted by their bytes, without "." and "..".
    static func names(in path: String) throws(StorageError) -> [String] {
        guard let directory = opendir(path) else {
            throw StorageError(errno: errno, path: path, doing: "list the folder")
        }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else {
                    throw StorageError(errno: errno, path: path, doing: "list the folder")
                }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
