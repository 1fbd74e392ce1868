import BolsterInference
import Foundation
import Testing

@testable import BolsterWorker

@Suite struct PackageCacheTests {
    private let scratch = FileManager.default.temporaryDirectory.appendingPathComponent(
        "bolster-\(UUID().uuidString)")

    private static let demo = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("manifests/demo/models/teacher-a")

    /// Runs a body with a package that may be changed, and an empty cache.
    private func withPackage(_ body: (_ package: URL, _ cache: PackageCache) throws -> Void) throws {
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { remove() }
        let package = scratch.appendingPathComponent("package")
        try FileManager.default.copyItem(at: Self.demo, to: package)
        try body(package, PackageCache(root: scratch.appendingPathComponent("cache").path))
    }

    private func remove() {
        do {
            try FileManager.default.removeItem(at: scratch)
        } catch {
            Issue.record("the scratch folder \(scratch.path) cannot be removed: \(error)")
        }
    }

    private func folder(_ cache: PackageCache, _ package: URL, _ ending: String = "") throws -> URL {
        let digest = try ModelPackage(directory: package.path).digest.hex
        return URL(fileURLWithPath: "\(cache.root)/models/\(digest)\(ending)")
    }

    @Test("A folder and its file URL give one verified copy")
    func copies() throws {
        try withPackage { package, cache in
            let copy = try cache.copy(of: PackageSource(package.path + "/"))
            #expect(copy.directory == (try folder(cache, package)).path)
            try copy.verifyFiles()
            let again = try cache.copy(of: PackageSource("file://" + package.path))
            #expect(again.directory == copy.directory)
            #expect(!FileManager.default.fileExists(atPath: try folder(cache, package, ".partial").path))
        }
    }

    @Test("A file that is not the one model.json names is refused by name and digest, and nothing is kept")
    func damagedSource() throws {
        try withPackage { package, cache in
            let file = package.appendingPathComponent("text.onnx")
            var bytes = try Data(contentsOf: file)
            bytes[1000] ^= 1
            try bytes.write(to: file)
            let error = #expect(throws: WorkerError.self) { try cache.copy(of: PackageSource(package.path)) }
            #expect(error?.code == .mismatch)
            #expect(error?.message.hasPrefix("text.onnx has SHA-256 ") == true)
            #expect(error?.evidence == file.path)
            #expect(!FileManager.default.fileExists(atPath: try folder(cache, package).path))
            try Data(contentsOf: Self.demo.appendingPathComponent("text.onnx")).write(to: file)
            try cache.copy(of: PackageSource(package.path)).verifyFiles()
        }
    }

    @Test("A copy that was damaged in the cache is fetched again")
    func damagedCopy() throws {
        try withPackage { package, cache in
            let copy = try cache.copy(of: PackageSource(package.path))
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: copy.path("image.onnx")))
            try cache.copy(of: PackageSource(package.path)).verifyFiles()
        }
    }

    @Test(
        "A fetch that was broken off goes on where it stopped, and starts anew where that was no beginning",
        arguments: ["beginning", "whole", "other", "longer"])
    func resumed(part: String) throws {
        try withPackage { package, cache in
            let partial = try folder(cache, package, ".partial")
            try FileManager.default.createDirectory(at: partial, withIntermediateDirectories: true)
            let whole = try Data(contentsOf: package.appendingPathComponent("image.onnx"))
            let left: Data =
                switch part {
                case "beginning": whole.prefix(1000)
                case "other": Data(repeating: 7, count: 1000)
                case "longer": whole + Data([1])
                default: whole
                }
            try left.write(to: partial.appendingPathComponent("image.onnx"))
            try cache.copy(of: PackageSource(package.path)).verifyFiles()
        }
    }

    @Test("Many that ask at once get one copy")
    func atOnce() throws {
        try withPackage { package, cache in
            let source = PackageSource(package.path)
            DispatchQueue.concurrentPerform(iterations: 8) { _ in
                do {
                    try cache.copy(of: source).verifyFiles()
                } catch {
                    Issue.record("\(error)")
                }
            }
            let kept = try FileManager.default.contentsOfDirectory(atPath: "\(cache.root)/models")
            #expect(kept.count == 2, "\(kept)")
        }
    }
}
