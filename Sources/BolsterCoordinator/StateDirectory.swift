import BolsterStorage
import Foundation

/// The folder that holds a run's ledger: on a local disk, used by one coordinator at a time.
///
///     ledger.sqlite, -wal, -shm   the ledger
///     coordinator.lock            held by the coordinator that runs
///
/// SQLite's write-ahead log lives in shared memory, which network file systems do not share.
package struct StateDirectory: ~Copyable {
    let path: String
    private let lock: Int32

    package static func database(in path: String) -> String { path + "/ledger.sqlite" }
    var database: String { Self.database(in: path) }

    /// Makes the folder if need be, and takes its lock until the value ends.
    init(_ path: String) throws(CoordinatorError) {
        try Self.makeFolder(path)
        try Self.refuseNetworkFileSystem(path)
        let descriptor = open(path + "/coordinator.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw CoordinatorError(
                .unsuitableState, "the state folder cannot be written: \(Self.reason())", evidence: [path])
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CoordinatorError(
                .inUse,
                "another coordinator uses this state folder: stop it, or give this one another --state",
                evidence: [path])
        }
        self.path = path
        self.lock = descriptor
    }

    deinit {
        // A child that is just being started has a copy of the descriptor, which would keep the lock.
        flock(lock, LOCK_UN)
        close(lock)
    }

    private static func makeFolder(_ path: String) throws(CoordinatorError) {
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            made += "/" + part
            guard mkdir(path.hasPrefix("/") ? made : String(made.dropFirst()), 0o755) != 0, errno != EEXIST
            else { continue }
            throw CoordinatorError(
                .unsuitableState, "the state folder cannot be made: \(reason())", evidence: [path])
        }
    }

    private static func refuseNetworkFileSystem(_ path: String) throws(CoordinatorError) {
        guard let name = NetworkFileSystem.name(at: path) else { return }
        throw CoordinatorError(
            .unsuitableState,
            "the state folder lies on a network file system (\(name)), where the ledger would be "
                + "damaged: give "
                + "--state a folder on this machine's own disk; copies of the ledger go to the output by "
                + "themselves",
            evidence: [path])
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}
