import Foundation

/// A folder of a test's own, removed with this object.
package final class ScratchFolder: Sendable {
    package let path: String

    package var url: URL { URL(fileURLWithPath: path) }

    package init() throws {
        path = FileManager.default.temporaryDirectory.path + "/bolster-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { print("left \(path): \(error)") }
    }
}
