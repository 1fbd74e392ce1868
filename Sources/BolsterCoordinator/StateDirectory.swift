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

    deinit { close(lock) }

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

    private static let networkFileSystems: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "ceph", "beegfs", "afs", "ocfs2", "gfs2",
        "panfs",
        "glusterfs", "fuse.glusterfs", "fuse.ceph", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse",
        "fuse.mount-s3",
        "fuse.juicefs", "fuse.goofys", "fuse.rclone",
    ]

    /// The network file system that `path` lies on, after the text of /proc/self/mountinfo (proc(5)); nil
    /// on a local one.
    static func networkFileSystem(of path: String, mounts: String) -> String? {
        var longest = -1
        var type = ""
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 1, fields.count > 4 else {
                continue
            }
            let point = unescaped(fields[4])
            let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
            // A later mount covers an earlier one at the same point.
            guard isAbove, point.utf8.count >= longest else { continue }
            (longest, type) = (point.utf8.count, String(fields[dash + 1]))
        }
        return networkFileSystems.contains(type) ? type : nil
    }

    /// The kernel writes space, tab, newline and backslash as three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func refuseNetworkFileSystem(_ path: String) throws(CoordinatorError) {
        guard let resolved = realpath(path, nil) else {
            throw CoordinatorError(
                .unsuitableState, "the state folder cannot be looked at: \(reason())", evidence: [path])
        }
        defer { free(resolved) }
        guard let mounts = FileManager.default.contents(atPath: "/proc/self/mountinfo"),
            let name = networkFileSystem(
                of: String(cString: resolved), mounts: String(decoding: mounts, as: UTF8.self))
        else { return }
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
