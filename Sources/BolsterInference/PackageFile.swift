import BolsterDeterminism
import Glibc

/// Reading of a package's files.
enum PackageFile {
    /// The whole file.
    ///
    /// - Parameter limit: a larger file is an error, not memory.
    static func bytes(of path: String, atMost limit: Int) throws(InferenceError) -> [UInt8] {
        var bytes: [UInt8] = []
        try read(path) { (piece) throws(InferenceError) in
            guard bytes.count + piece.count <= limit else {
                throw InferenceError(
                    .packageInvalid,
                    "\(path) is larger than \(limit) bytes: this is no such file of a package",
                    file: path)
            }
            bytes.append(contentsOf: piece)
        }
        return bytes
    }

    /// SHA-256 of the file, which is read in pieces: a graph may be larger than memory.
    static func digest(of path: String) throws(InferenceError) -> SHA256Digest {
        var hasher = SHA256Hasher()
        try read(path) { (piece) throws(InferenceError) in hasher.update(piece) }
        return hasher.finalize()
    }

    private static func read(
        _ path: String, _ take: (UnsafeRawBufferPointer) throws(InferenceError) -> Void
    ) throws(InferenceError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "opened") }
        defer { close(descriptor) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure(path, "read")
            }
            try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private static func failure(_ path: String, _ verb: String) -> InferenceError {
        let words = String(cString: strerror(errno))
        return InferenceError(
            .packageDamaged, "\(path) cannot be \(verb): \(words). Is this a model package's directory?",
            file: path)
    }
}
