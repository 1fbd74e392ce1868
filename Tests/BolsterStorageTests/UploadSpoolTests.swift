import BolsterOracles
import Foundation
import Synchronization
import Testing

@testable import BolsterStorage

@Suite("The spool of a bucket's objects", .enabled(if: S3Server.isAvailable))
struct UploadSpoolTests {
    private let s3: S3Server
    private let disk: ScratchFolder
    private let prefix = UUID().uuidString
    private let heard = Heard()

    private final class Heard: Sendable {
        let events = Mutex<[String]>([])
        let stored = Mutex<[String]>([])
        let pauses = Mutex(0)

        func add(_ event: UploadSpool.Event) {
            let word =
                switch event {
                case .waiting(let error): "waiting: \(error.code)"
                case .resumed: "resumed"
                case .unusable(let error): "unusable: \(error.code)"
                }
            events.withLock { $0.append(word) }
        }
    }

    init() throws {
        s3 = try S3Server.shared.get()
        disk = try ScratchFolder()
    }

    private func spool(
        bytesMax: Int64 = 1 << 20, folder: String? = nil,
        change: (inout UploadSpool.Settings) -> Void = { _ in }
    ) throws -> (spool: UploadSpool, store: ObjectStore) {
        var settings = UploadSpool.Settings(folder: folder ?? disk.path + "/spool", bytesMax: bytesMax)
        let heard = heard
        settings.pause = { heard.pauses.withLock { $0 += 1 } }
        change(&settings)
        let store = try s3.store(prefix, attempts: 2)
        return (UploadSpool(into: store, settings) { heard.add($0) }, store)
    }

    private func put(_ spool: UploadSpool, _ store: ObjectStore, _ names: [String]) throws {
        for name in names {
            try spool.put(name, Array(name.utf8)) { [heard] in
                // Whoever hears that it is stored finds it.
                do {
                    #expect(try store.read(name) == Array(name.utf8))
                } catch {
                    Issue.record(error)
                }
                heard.stored.withLock { $0.append(name) }
            }
        }
    }

    @Test("Objects are uploaded in order, each told when it is there, and leave no file")
    func order() throws {
        let (spool, store) = try spool()
        let names = (0..<6).map { "a/\($0)" }
        try put(spool, store, names)
        spool.wait()
        #expect(heard.stored.withLock { $0 } == names)
        #expect(try store.list(prefix: "a/") == names)
        #expect(try disk.names() == ["spool"] && heard.events.withLock { $0.isEmpty })
    }

    @Test("While the bucket is away work goes on; everything is stored when it is back")
    func outage() throws {
        let (spool, store) = try spool()
        // Three tries of two requests each.
        try s3.arm(.init(method: "PUT", match: prefix, kind: "status", times: 6))
        let names = (0..<5).map { "\($0)" }
        try put(spool, store, names)
        #expect(try disk.names() == ["spool"], "spool files have no names")
        spool.wait()
        #expect(heard.stored.withLock { $0 } == names)
        #expect(heard.events.withLock { $0 } == ["waiting: unreachable", "resumed"])
        #expect(heard.pauses.withLock { $0 } == 3)
    }

    @Test("A full spool makes its caller wait, and no longer than need be")
    func bound() throws {
        let gate = DispatchSemaphore(value: 0)
        let reached = DispatchSemaphore(value: 0)
        let (spool, store) = try spool(bytesMax: 1000) {
            $0.pause = {
                reached.signal()
                gate.wait()
            }
        }
        try s3.arm(.init(method: "PUT", match: prefix, kind: "status", times: 2))
        let done = Mutex(0)
        let end = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            do {
                for index in 0..<5 {
                    try spool.put("\(index)", [UInt8](repeating: 7, count: 400)) {}
                    done.withLock { $0 += 1 }
                }
            } catch {
                Issue.record(error)
            }
            end.signal()
        }
        reached.wait()
        // Two fit; the third waits for room as long as the first is not stored.
        while done.withLock({ $0 }) < 2 { usleep(1000) }
        usleep(20_000)
        #expect(done.withLock { $0 } == 2)
        gate.signal()
        end.wait()
        spool.wait()
        #expect(try store.list(prefix: "").count == 5)
    }

    @Test("An object larger than the spool goes alone")
    func large() throws {
        let (spool, store) = try spool(bytesMax: 10)
        try put(spool, store, ["a name of more than ten bytes", "another name of more than ten"])
        spool.wait()
        #expect(heard.stored.withLock { $0.count } == 2)
    }

    @Test("What is refused for good ends the spool with the reason, and nothing behind it is stored")
    func refused() throws {
        let (spool, store) = try spool()
        try s3.arm(
            .init(
                method: "PUT", match: "\(prefix)/1", kind: "status", times: 100, status: 403,
                code: "AccessDenied"))
        let reason = Mutex<StorageError?>(nil)
        try put(spool, store, ["0", "1"])
        spool.afterwards { error in reason.withLock { $0 = error } }
        spool.wait()
        #expect(reason.withLock { $0?.code } == .permissionDenied)
        #expect(throws: StorageError.self) { try put(spool, store, ["2"]) }
        #expect(heard.stored.withLock { $0 } == ["0"])
        #expect(try store.list(prefix: "") == ["0"])
    }

    @Test("Patience ends")
    func patience() throws {
        let (spool, store) = try spool { $0.patience = .zero }
        try s3.arm(.init(method: "PUT", match: prefix, kind: "status", times: 1000))
        try put(spool, store, ["0"])
        spool.wait()
        #expect(throws: StorageError.self) { try put(spool, store, ["1"]) }
        #expect(heard.stored.withLock { $0.isEmpty })
    }

    @Test("Without a disk for it, objects go up from memory, one after the other, told once")
    func unusable() throws {
        try disk.put("a file")
        let (spool, store) = try spool(folder: disk.path + "/a file")
        let names = (0..<4).map { "\($0)" }
        try put(spool, store, names)
        spool.wait()
        #expect(heard.stored.withLock { $0 } == names)
        #expect(heard.events.withLock { $0 } == ["unusable: notAFile"])
    }

    @Test("What a killed process left is removed at the next start")
    func leftovers() throws {
        try disk.put("spool/123.spool", "")
        try disk.put("spool/other", "")
        _ = try spool().spool
        #expect(try disk.names() == ["spool", "spool/other"])
    }
}
