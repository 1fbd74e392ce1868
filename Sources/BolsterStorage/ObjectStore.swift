import Glibc

/// Named byte strings under one root: a folder on a local or network file system. Names are relative, of
/// components between single slashes. A name's content is written whole or not at all, and durable when the
/// call returns.
package struct ObjectStore: Sendable {
    /// The folder, an absolute path or one relative to the process's.
    package let root: String

    package init(root: String) { self.root = root }

    /// Writes or replaces.
    package func write(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        var writer = try AtomicFileWriter(path: location(of: name))
        try writer.append(bytes)
        try writer.commit()
    }

    /// Writes unless the name is taken, and says whether it did. Of several callers, on several machines too,
    /// exactly one gets true.
    package func createExclusively(_ name: String, _ bytes: [UInt8]) throws(StorageError) -> Bool {
        var writer = try AtomicFileWriter(path: location(of: name))
        try writer.append(bytes)
        return try writer.commitExclusively()
    }

    package func read(_ name: String) throws(StorageError) -> [UInt8] {
        let path = try location(of: name)
        let file = try FileHandle(opening: path, O_RDONLY, doing: "open")
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.notAFile, path: path, "cannot read: it is no plain file")
        }
        var bytes: [UInt8] = []
        // One more than the size, so that the end is seen without growing.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(status.st_size) + 1, alignment: 1)
        defer { buffer.deallocate() }
        while true {
            let count = try file.read(into: buffer)
            if count == 0 { return bytes }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// All names that begin with `prefix`, sorted by their bytes. Unfinished temporary files are none.
    package func list(prefix: String) throws(StorageError) -> [String] {
        // Only the folders that can hold such names are read.
        let folder = prefix.lastIndex(of: "/").map { String(prefix[..<$0]) } ?? ""
        if !folder.isEmpty { _ = try location(of: folder) }
        var names: [String] = []
        var open = [folder]
        while let folder = open.popLast() {
            for base in try existingNames(in: folder) where !AtomicFileWriter.isTemporary(base) {
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
                case S_IFREG: if isUnder { names.append(name) }
                default: break
                }
            }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Removes the name; an absent one is no error.
    package func delete(_ name: String) throws(StorageError) {
        let path = try location(of: name)
        guard unlink(path) == 0 else {
            if errno == ENOENT { return }
            throw StorageError(errno: errno, path: path, doing: "remove")
        }
        try Folder.synchronize(Folder.parent(of: path))
    }

    package func exists(_ name: String) throws(StorageError) -> Bool {
        let path = try location(of: name)
        var status = stat()
        if stat(path, &status) == 0 { return true }
        guard errno == ENOENT || errno == ENOTDIR else {
            throw StorageError(errno: errno, path: path, doing: "look at")
        }
        return false
    }

    /// The path of a name. Throws where the name would leave the root: absolute, empty, or with an empty, "."
    /// or ".." component.
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

    private func existingNames(in folder: String) throws(StorageError) -> [String] {
        do {
            return try Folder.names(in: folder.isEmpty ? root : Folder.join(root, folder))
        } catch  where error.code == .notFound || error.errno == ENOTDIR {
            return []
        }
    }
}
