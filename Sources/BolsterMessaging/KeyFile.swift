import Glibc

/// Small text files whose permissions matter.
enum KeyFile {
    /// An allow-list of a hundred thousand keys stays below this.
    static let bytesMax = 16 << 20

    /// What tells one version of a file from the next.
    struct Stamp: Sendable, Equatable {
        let device: UInt64
        let inode: UInt64
        let size: Int64
        let seconds: Int
        let nanoseconds: Int

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int64(status.st_size)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    /// Nil when there is no such file.
    static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        return stat(path, &status) == 0 ? Stamp(status) : nil
    }

    /// The file's text. Refuses a file that has any of the `forbidden` mode bits, or another owner.
    static func read(_ path: String, forbidding forbidden: UInt32) throws(MessagingError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path, "the file could not be opened", errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .file(path, "the file's mode could not be read", errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= bytesMax else {
            throw MessagingError(.badKeyFile, "this is no file of keys", evidence: path)
        }
        guard status.st_mode & forbidden == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw MessagingError(
                .badKeyFile,
                "the mode \(mode) lets others in; do: chmod \(forbidden == 0o077 ? "600" : "go-w") \(path)",
                evidence: path)
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw MessagingError(
                .badKeyFile, "the file belongs to user \(status.st_uid), who could change it; do: chown",
                evidence: path)
        }
        return try contents(of: descriptor, size: Int(status.st_size), path: path)
    }

    private static func contents(of descriptor: Int32, size: Int, path: String) throws(MessagingError)
        -> String
    {
        var bytes = [UInt8](repeating: 0, count: size)
        var filled = 0
        while filled < size {
            let count = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: filled), size - filled)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw .file(path, "the file could not be read", errno: errno)
            }
            if count == 0 { break }
            filled += count
        }
        return String(decoding: bytes[..<filled], as: UTF8.self)
    }

    /// Writes under a temporary name with the mode from the start, syncs, renames.
    static func write(_ path: String, _ text: String, mode: UInt32) throws(MessagingError) {
        let temporary = "\(path).\(getpid()).tmp"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .file(temporary, "the file could not be made", errno: errno) }
        defer { close(descriptor) }
        do throws(MessagingError) {
            try fill(descriptor, Array(text.utf8), path: path)
            // The umask may have taken bits away; none may be added by it.
            guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0, rename(temporary, path) == 0 else {
                throw MessagingError.file(path, "the file could not be written", errno: errno)
            }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func fill(_ descriptor: Int32, _ bytes: [UInt8], path: String) throws(MessagingError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw .file(path, "the file could not be written", errno: errno)
            }
            done += count
        }
    }
}
