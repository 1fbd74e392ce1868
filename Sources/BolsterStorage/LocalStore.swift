import Glibc

/// A folder on a local or network file system as an `ObjectStore` keeps it: one file a name.
struct LocalStore: StoreBackend {
    let root: String

    func write(_ path: String, _ bytes: [UInt8]) throws(StorageError) {
        var writer = try AtomicFileWriter(path: path)
        try writer.append(bytes)
        try writer.commit()
    }

    func createExclusively(_ path: String, _ bytes: [UInt8]) throws(StorageError) -> Bool {
        var writer = try AtomicFileWriter(path: path)
        try writer.append(bytes)
        return try writer.commitExclusively()
    }

    func sink(_ path: String) throws(StorageError) -> any ObjectSink { try FileSink(path: path) }

    func read(_ path: String, range: Range<Int64>?) throws(StorageError) -> [UInt8] {
        let file = try FileHandle(opening: path, O_RDONLY, doing: "open")
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.notAFile, path: path, "cannot read: it is no plain file")
        }
        let size = Int64(status.st_size)
        let start = range?.lowerBound ?? 0
        // One more than there is, so that the end is seen without growing.
        let room = range.map { max(0, min($0.upperBound, size) - $0.lowerBound) } ?? size + 1
        guard lseek(file.descriptor, off_t(start), SEEK_SET) == off_t(start) else {
            throw StorageError(errno: errno, path: path, doing: "go to byte \(start)")
        }
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(room), alignment: 1)
        defer { buffer.deallocate() }
        while range == nil || bytes.count < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(
                rebasing: range == nil ? buffer[...] : buffer[bytes.count...])
            let count = try file.read(into: rest)
            if count == 0 { break }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[..<count]))
        }
        return bytes
    }

    func size(_ path: String) throws(StorageError) -> Int64? {
        var status = stat()
        if stat(path, &status) == 0 { return Int64(status.st_size) }
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw StorageError(errno: errno, path: path, doing: "look at")
    }

    func list(prefix: String) throws(StorageError) -> [String] {
        try names(prefix: prefix) { !AtomicFileWriter.isTemporary($0) }.map(\.name)
    }

    func objects(prefix: String) throws(StorageError) -> [StoredObject] {
        try names(prefix: prefix) { !AtomicFileWriter.isTemporary($0) }.map { name, status in
            StoredObject(
                name: name, size: Int64(status.st_size), modified: Int64(status.st_mtim.tv_sec))
        }
    }

    func delete(_ path: String) throws(StorageError) {
        guard unlink(path) == 0 else {
            if errno == ENOENT { return }
            throw StorageError(errno: errno, path: path, doing: "remove")
        }
        try Folder.synchronize(Folder.parent(of: path))
    }

    func removeUnfinished(under folder: String, olderThan age: Duration) throws(StorageError) -> Int {
        let prefix = folder.isEmpty ? "" : folder + "/"
        let oldest = time(nil) - time_t(age.components.seconds)
        var removed = 0
        for file in try names(prefix: prefix, AtomicFileWriter.isTemporary)
        where file.status.st_mtim.tv_sec <= oldest {
            try delete(Folder.join(root, file.name))
            removed += 1
        }
        return removed
    }

    /// Plain files whose name begins with `prefix` and whose base name is wanted, sorted by their bytes.
    private func names(
        prefix: String, _ isWanted: (String) -> Bool
    ) throws(StorageError) -> [(name: String, status: stat)] {
        // Only the folders that can hold such names are read.
        var open = [prefix.lastIndex(of: "/").map { String(prefix[..<$0]) } ?? ""]
        var found: [(name: String, status: stat)] = []
        while let folder = open.popLast() {
            for base in try existingNames(in: folder) {
                let name = folder.isEmpty ? base : folder + "/" + base
                // A folder on the way to the prefix, or under it.
                let isUnder = name.utf8.starts(with: prefix.utf8)
                guard isUnder || prefix.utf8.starts(with: (name + "/").utf8) else { continue }
                var status = stat()
                guard lstat(Folder.join(root, name), &status) == 0 else {
                    if errno == ENOENT { continue }
                    throw StorageError(errno: errno, path: Folder.join(root, name), doing: "look at")
                }
                switch status.st_mode & S_IFMT {
                case S_IFDIR: open.append(name)
                case S_IFREG: if isUnder, isWanted(base) { found.append((name, status)) }
                default: break
                }
            }
        }
        return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private func existingNames(in folder: String) throws(StorageError) -> [String] {
        do {
            return try Folder.names(in: folder.isEmpty ? root : Folder.join(root, folder))
        } catch  where error.code == .notFound || error.errno == ENOTDIR {
            return []
        }
    }
}
