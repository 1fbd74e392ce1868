import Glibc

/// Locks on whole files (`flock`) between processes and between handles of one process; they end with the
/// handle, also where its process is killed.
extension FileHandle {
    enum Lock {
        case shared, exclusive
    }

    /// Takes the lock, or changes the one that is held; false where another handle's stands against it.
    borrowing func lock(_ lock: Lock) -> Bool {
        let descriptor = descriptor
        let operation = lock == .shared ? LOCK_SH : LOCK_EX
        return Self.repeating { flock(descriptor, operation | LOCK_NB) } == 0
    }

    /// Takes the exclusive lock, waiting for it.
    borrowing func waitForLock() throws(StorageError) {
        let descriptor = descriptor
        guard Self.repeating({ flock(descriptor, LOCK_EX) }) == 0 else {
            throw StorageError(errno: errno, path: path, doing: "lock")
        }
    }

    borrowing func unlock() { flock(descriptor, LOCK_UN) }

    /// Throws where the file system has no room for so many bytes now. What others take meanwhile shows when
    /// they are written.
    borrowing func checkRoom(for size: Int64) throws(StorageError) {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else {
            throw StorageError(errno: errno, path: path, doing: "look for free space")
        }
        guard Int64(status.f_bavail) * Int64(status.f_frsize) >= size else {
            throw StorageError(errno: ENOSPC, path: path, doing: "keep a copy")
        }
    }

    /// Notes that the file was used just now; another user's file keeps its time.
    borrowing func touch() {
        // The system's own stamp goes by ticks of milliseconds, in which two files may be equally old.
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        futimens(descriptor, [now, now])
    }

    /// Fills the buffer's beginning from an offset; fewer bytes than it holds only where the file ends.
    borrowing func read(
        at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StorageError) -> Int {
        var filled = 0
        let descriptor = descriptor
        while filled < buffer.count, let base = buffer.baseAddress {
            let count = Self.repeating {
                pread(descriptor, base + filled, buffer.count - filled, off_t(offset) + off_t(filled))
            }
            guard count >= 0 else { throw StorageError(errno: errno, path: path, doing: "read") }
            if count == 0 { break }
            filled += count
        }
        return filled
    }
}
