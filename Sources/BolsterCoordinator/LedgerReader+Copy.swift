import BolsterStorage
import Foundation
import Logging

extension LedgerReader {
    /// The newest copy of a run's ledger in its output, read where the state folder is not at hand; nil where
    /// there is none. The copy lies in a temporary folder that is gone when this returns.
    package static func newestCopy(in output: String, log: Logger) throws -> LedgerReader? {
        let folder = FileManager.default.temporaryDirectory.path + "/bolster-ledger-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // What is open stays readable until it is closed.
        defer {
            do {
                try FileManager.default.removeItem(atPath: folder)
            } catch {
                log.warning(
                    "a temporary copy of the ledger could not be removed",
                    metadata: [LogKey.reason: "\(error)"])
            }
        }
        let path = StateDirectory.database(in: folder)
        guard try LedgerBackup.restore(to: path, from: ObjectStore(root: output), log) != nil else {
            return nil
        }
        return try LedgerReader(stateDirectory: folder)
    }
}
