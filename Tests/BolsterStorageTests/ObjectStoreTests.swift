import BolsterOracles
import Foundation
import Glibc
import Testing

@testable import BolsterStorage

@Suite("Objects in a folder")
struct ObjectStoreTests {
    let folder: ScratchFolder
    let store: ObjectStore

    init() throws {
        folder = try ScratchFolder()
        store = ObjectStore(root: folder.path + "/root")
    }

    @Test("What is written is read, replaced and removed")
    func roundTrip() throws {
        try store.write("a/b/c.bin", [1, 2, 3])
        #expect(try store.read("a/b/c.bin") == [1, 2, 3])
        try store.write("a/b/c.bin", [])
        #expect(try store.read("a/b/c.bin") == [])
        #expect(try store.exists("a/b/c.bin") && !store.exists("a/b/d.bin") && !store.exists("a/b/c.bin/x"))
        try store.delete("a/b/c.bin")
        try store.delete("a/b/c.bin")
        #expect(try !store.exists("a/b/c.bin"))
        #expect(try folder.names() == ["root", "root/a", "root/a/b"], "no temporary file stays")
    }

    @Test("A megabyte and more is read whole")
    func large() throws {
        let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        try store.write("large", bytes)
        #expect(try store.read("large") == bytes)
    }

    @Test("A name is created once, and what it holds stays the first's")
    func exclusive() throws {
        #expect(try store.createExclusively("generation/1", [1]))
        #expect(try !store.createExclusively("generation/1", [2]))
        #expect(try store.read("generation/1") == [1])
        #expect(try folder.names() == ["root", "root/generation", "root/generation/1"])
    }

    @Test("Of many that create a name at once exactly one does")
    func race() async throws {
        let store = store
        for round in 0..<20 {
            let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
                for racer in 0..<8 {
                    group.addTask { try store.createExclusively("g/\(round)", [UInt8(racer)]) }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(wins == 1)
        }
    }

    @Test("A prefix lists the names that begin with it, sorted, and no temporary or hidden folder's")
    func list() throws {
        for name in [
            "records/views/00/1", "records/views/00/0", "records/views/001/0", "records/texts/0", "b",
        ] {
            try store.write(name, [])
        }
        try folder.put("root/records/.0.1-z.tmp")
        #expect(try store.list(prefix: "records/views/00/") == ["records/views/00/0", "records/views/00/1"])
        #expect(
            try store.list(prefix: "records/views/00")
                == ["records/views/00/0", "records/views/00/1", "records/views/001/0"])
        #expect(try store.list(prefix: "").count == 5)
        #expect(try store.list(prefix: "none/at/all") == [])
        #expect(try store.list(prefix: "b") == ["b"])
        #expect(try store.list(prefix: "records/views/00/0/x") == [])
        #expect(try ObjectStore(root: folder.path + "/absent").list(prefix: "") == [])
    }

    @Test(
        "Names that leave the root are refused by every call",
        arguments: ["../a", "a/../../b", "/etc/passwd", "", "a//b", ".", "a/.", "a/", "a\0b"])
    func unsafe(name: String) throws {
        #expect(code { try store.write(name, [1]) } == .unsafeName)
        #expect(code { _ = try store.createExclusively(name, [1]) } == .unsafeName)
        #expect(code { _ = try store.read(name) } == .unsafeName)
        #expect(code { try store.delete(name) } == .unsafeName)
        #expect(code { _ = try store.exists(name) } == .unsafeName)
        #expect(code { _ = try store.list(prefix: "../") } == .unsafeName)
        #expect(try folder.names() == [])
    }

    @Test("An absent name is told with its path")
    func absent() throws {
        let error = try #require(failure { _ = try store.read("a/b") })
        #expect(error.code == .notFound && error.path == folder.path + "/root/a/b")
        #expect(error.description.contains("cannot open: no such file or folder"))
        try store.write("a/b", [])
        #expect(code { _ = try store.read("a") } == .notAFile)
        #expect(code { try store.write("a/b/c", []) } == .notAFile)
    }

    @Test("A folder without the right to write is told, and nothing stays")
    func permission() throws {
        try store.write("a/b", [1])
        chmod(folder.path + "/root/a", 0o555)
        defer { chmod(folder.path + "/root/a", 0o755) }
        let path = folder.path
        chmod(path, 0o755)
        let error = try #require(asNobody { failure { try store.write("a/c", [1]) } })
        #expect(error.code == .permissionDenied && error.path == path + "/root/a/c")
        #expect(try folder.names() == ["root", "root/a", "root/a/b"])
    }

    @Test(
        "A full disk is told with the path, and leaves what was there before and nothing else",
        .enabled(if: TinyDisk.canMount, "needs the right to mount a file system"))
    func full() throws {
        let disk = try #require(try TinyDisk(bytes: 65536))
        let store = ObjectStore(root: disk.path)
        try store.write("a", [1, 2, 3])
        let tooMuch = [UInt8](repeating: 7, count: 100_000)
        let error = try #require(failure { try store.write("a", tooMuch) })
        #expect(error.code == .full && error.path == disk.path + "/a")
        #expect(error.description.contains("no space is left on the device; free some and start again"))
        #expect(code { _ = try store.createExclusively("b", tooMuch) } == .full)
        #expect(try store.list(prefix: "") == ["a"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path) == ["a"])
        #expect(try store.read("a") == [1, 2, 3])
        try store.write("c", [4])
    }

    @Test(
        "A disk mounted read-only is told",
        .enabled(if: TinyDisk.canMount, "needs the right to mount a file system"))
    func readOnly() throws {
        let disk = try #require(try TinyDisk(bytes: 65536))
        #expect(mount("bolster", disk.path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0)
        #expect(code { try ObjectStore(root: disk.path).write("a", [1]) } == .readOnly)
    }
}

@Suite("A file that is whole or not there")
struct AtomicFileWriterTests {
    @Test("Before its commit a file is not there, and afterwards all of it is")
    func commit() throws {
        let folder = try ScratchFolder()
        var writer = try AtomicFileWriter(path: folder.path + "/a/b.tar")
        try writer.append([1, 2])
        try writer.append([])
        try writer.append([3])
        #expect(writer.bytesWritten == 3)
        let before = try folder.names()
        #expect(before.count == 2 && AtomicFileWriter.isTemporary(before[1].dropFirst(2)))
        try writer.commit()
        #expect(try folder.names() == ["a", "a/b.tar"])
        #expect(try ObjectStore(root: folder.path).read("a/b.tar") == [1, 2, 3])
    }

    @Test("A writer that goes without a commit leaves nothing")
    func abandoned() throws {
        let folder = try ScratchFolder()
        do {
            var writer = try AtomicFileWriter(path: folder.path + "/b.tar")
            try writer.append([1])
        }
        #expect(try folder.names() == [])
    }

    @Test("The longest legal name can be written")
    func longName() throws {
        let folder = try ScratchFolder()
        let name = String(repeating: "n", count: 255)
        try ObjectStore(root: folder.path).write(name, [1])
        #expect(try folder.names() == [name])
        #expect(code { try ObjectStore(root: folder.path).write(name + "n", [1]) } == .unsafeName)
    }
}

/// The error of a call; nil where it throws none.
func failure(_ call: () throws -> Void) -> StorageError? {
    do {
        try call()
    } catch let error as StorageError {
        return error
    } catch {
        Issue.record("no StorageError: \(error)")
    }
    return nil
}

func code(_ call: () throws -> Void) -> StorageError.Code? {
    failure(call)?.code
}

/// Root may do everything, so that a refusal needs another user; only this thread's rights change.
func asNobody<Result>(_ call: () -> Result) -> Result {
    guard getuid() == 0 else { return call() }
    _ = setfsuidOfThisThread(65534)
    defer { _ = setfsuidOfThisThread(0) }
    return call()
}

/// glibc's setfsuid, whose header Swift does not import.
private func setfsuidOfThisThread(_ user: UInt32) -> Int32 {
    let call = unsafeBitCast(dlsym(nil, "setfsuid"), to: (@convention(c) (UInt32) -> Int32).self)
    return call(user)
}
