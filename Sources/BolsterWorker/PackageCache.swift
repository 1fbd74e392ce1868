import BolsterDeterminism
import BolsterInference
import BolsterStorage
import Foundation

/// A node's verified copies of model packages, by digest, shared by all its workers.
///
///     <root>/models/<digest of model.json>/…           complete and verified, or not there
///     <root>/models/<digest of model.json>.partial/…   what has come so far; the next try goes on from there
///     <root>/models/<digest of model.json>.lock        held while one process fetches
package struct PackageCache: Sendable {
    package let root: String

    package init(root: String) { self.root = root }

    /// Where copies are kept when nobody says: beside the user's other caches.
    package static var defaultRoot: String {
        let environment = ProcessInfo.processInfo.environment
        let caches = environment["XDG_CACHE_HOME"] ?? NSHomeDirectory() + "/.cache"
        return caches + "/bolster"
    }

    /// The package's verified copy on this node; fetched by the first that asks, while the others wait. A
    /// copy that was damaged here is fetched again.
    ///
    /// - Throws: what the source, the disk or a damaged file says, with its name and digests.
    package func copy(of source: PackageSource) throws -> ModelPackage {
        let (package, description) = try source.describe()
        let folder = "\(root)/models"
        let target = "\(folder)/\(package.digest.hex)"
        if let copy = try intactCopy(at: target) { return copy }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let lock = open("\(target).lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else { throw Self.unwritable("\(target).lock") }
        defer { close(lock) }
        guard flock(lock, LOCK_EX) == 0 else { throw Self.unwritable("\(target).lock") }
        // Another may have fetched it while this one waited.
        if let copy = try intactCopy(at: target) { return copy }
        if FileManager.default.fileExists(atPath: target) {
            try FileManager.default.removeItem(atPath: target)
        }
        let partial = "\(target).partial"
        for file in package.files {
            try fetch(file.name, digest: file.digest, of: source, into: partial)
        }
        try Data(description).write(to: URL(fileURLWithPath: "\(partial)/model.json"))
        try Self.settle("\(partial)/model.json")
        try FileManager.default.moveItem(atPath: partial, toPath: target)
        try Self.settle(folder)
        return try ModelPackage(directory: target)
    }

    /// The copy with every file verified; nil where there is none, or one that is damaged.
    private func intactCopy(at target: String) throws -> ModelPackage? {
        guard FileManager.default.fileExists(atPath: target) else { return nil }
        do {
            let copy = try ModelPackage(directory: target)
            try copy.verifyFiles()
            return copy
        } catch {
            switch error.code {
            case .packageDamaged, .packageInvalid: return nil
            default: throw error
            }
        }
    }

    /// Brings one file into the unfinished copy. What an earlier try has left is kept as the file's
    /// beginning; where that turns out wrong, the file is fetched once more from its first byte.
    private func fetch(
        _ name: String, digest: SHA256Digest, of source: PackageSource, into partial: String
    ) throws {
        let path = "\(partial)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let resumes = try Self.size(path) > 0
        if resumes {
            // A whole file needs no byte more, which not every server can say.
            if try Self.digest(path) == digest { return }
            try append(name, of: source, to: path)
            if try Self.digest(path) == digest { return try Self.settle(path) }
            try FileManager.default.removeItem(atPath: path)
        }
        try append(name, of: source, to: path)
        let found = try Self.digest(path)
        guard found == digest else {
            try FileManager.default.removeItem(atPath: path)
            throw WorkerError(
                .mismatch,
                "\(name) has SHA-256 \(found), but model.json names \(digest): the package is damaged "
                    + "where it lies", evidence: "\(source)/\(name)")
        }
        try Self.settle(path)
    }

    /// Appends what a file lacks of the source's.
    private func append(_ name: String, of source: PackageSource, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.unwritable(path) }
        defer { close(descriptor) }
        do {
            try source.read(name, from: Self.size(path)) { piece in
                var rest = piece
                while !rest.isEmpty {
                    let count = write(descriptor, rest.baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { throw Self.unwritable(path) }
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                }
            }
        } catch let error as StorageError where error.code == .changed {
            // What is here is longer than the source's file, so it is not that file's beginning.
        }
    }

    /// Bytes of a file; 0 where there is none.
    private static func size(_ path: String) throws -> Int64 {
        guard FileManager.default.fileExists(atPath: path) else { return 0 }
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return (attributes[.size] as? NSNumber)?.int64Value ?? 0
    }

    private static func digest(_ path: String) throws -> SHA256Digest {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        var hasher = SHA256Hasher()
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty {
            hasher.update([UInt8](piece))
        }
        return hasher.finalize()
    }

    private static func unwritable(_ path: String) -> WorkerError {
        WorkerError(
            .unwritable, "the cache cannot be written: \(String(cString: strerror(errno)))", evidence: path)
    }

    /// Waits until a file's or folder's content is on the disk: a crash must not leave a copy that only looks
    /// whole.
    private static func settle(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unwritable(path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw unwritable(path) }
    }
}
