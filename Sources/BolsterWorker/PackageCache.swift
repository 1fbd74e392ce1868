import BolsterInference
import Foundation

/// A node's verified copies of model packages, by digest, shared by all its workers.
///
///     <root>/models/<digest of model.json>/…      complete, or not there
///     <root>/models/<digest>.lock                 held while one process copies
struct PackageCache {
    let root: String

    /// The package's copy on this node; made by the first worker that asks, while the others wait.
    func copy(of package: ModelPackage) throws -> ModelPackage {
        let folder = "\(root)/models"
        let target = "\(folder)/\(package.digest.hex)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let lock = open("\(target).lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0, flock(lock, LOCK_EX) == 0 else {
            throw WorkerError(
                .mismatch, "the cache cannot be locked: \(String(cString: strerror(errno)))",
                evidence: "\(target).lock")
        }
        defer { close(lock) }
        if !FileManager.default.fileExists(atPath: target) {
            let partial = "\(target).partial"
            if FileManager.default.fileExists(atPath: partial) {
                try FileManager.default.removeItem(atPath: partial)
            }
            try FileManager.default.copyItem(atPath: package.directory, toPath: partial)
            let copy = try ModelPackage(directory: partial)
            guard copy.digest == package.digest else {
                throw WorkerError(
                    .mismatch, "the package changed while it was copied", evidence: package.directory)
            }
            try copy.verifyFiles()
            try FileManager.default.moveItem(atPath: partial, toPath: target)
        }
        return try ModelPackage(directory: target)
    }
}
