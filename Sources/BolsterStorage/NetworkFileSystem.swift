import Foundation
import Glibc

/// Which folders lie on other machines' disks: no place for a database, nor for a node's own copies.
package enum NetworkFileSystem {
    private static let names: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "ceph", "beegfs", "afs", "ocfs2", "gfs2",
        "panfs", "glusterfs", "fuse.glusterfs", "fuse.ceph", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse",
        "fuse.mount-s3", "fuse.juicefs", "fuse.goofys", "fuse.rclone",
    ]

    /// The network file system that a path, or the nearest folder above it that is there, lies on; nil on a
    /// local one.
    package static func name(at path: String) -> String? {
        var place = path
        while true {
            if let resolved = realpath(place, nil) {
                defer { free(resolved) }
                let mounts = FileManager.default.contents(atPath: "/proc/self/mountinfo") ?? Data()
                return name(of: String(cString: resolved), mounts: String(decoding: mounts, as: UTF8.self))
            }
            guard let slash = place.lastIndex(of: "/"), slash > place.startIndex else { return nil }
            place = String(place[..<slash])
        }
    }

    /// - Parameters:
    ///   - path: without links.
    ///   - mounts: the text of /proc/self/mountinfo (proc(5)).
    package static func name(of path: String, mounts: String) -> String? {
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
        return names.contains(type) ? type : nil
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
}
