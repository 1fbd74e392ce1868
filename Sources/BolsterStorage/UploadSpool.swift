import BolsterDeterminism
import Foundation
import Glibc

/// Objects on their way into a bucket: each is first a file on this machine's disk, then uploaded behind its
/// caller's work, in the order in which they came.
///
///     put(name, bytes) ─► spool file ─► [ thread: upload, again while nobody answers ] ─► stored()
///
/// A bucket that is slow or away for a while therefore stops nobody before the spool is full. Bounds:
/// `Settings.bytesMax` on the disk and `objectsMax` objects; `put` waits for room. Memory: one object.
///
/// Spool files have no names: they are unlinked as soon as they are open, so that whatever ends the process
/// leaves none behind. What it had not uploaded is computed again, since nobody was told of it.
///
/// What cannot be uploaded (no permission, or no answer for as long as `patience`) ends the spool: nothing
/// behind it is uploaded, and every later `put` throws the reason.
package final class UploadSpool: @unchecked Sendable {
    package struct Settings: Sendable {
        /// Made where it is missing.
        package var folder: String
        package var bytesMax: Int64
        package var objectsMax = 256
        /// How long an object is tried again while nobody answers.
        package var patience: Duration = .seconds(30 * 60)
        /// Between two tries, each of which has pauses and repetitions of its own.
        var pause: @Sendable () -> Void = { Thread.sleep(forTimeInterval: 2) }

        package init(folder: String, bytesMax: Int64) {
            self.folder = folder
            self.bytesMax = bytesMax
        }
    }

    /// What an operator wants to know.
    package enum Event: Sendable {
        /// The store does not answer; what comes waits in the spool.
        case waiting(StorageError)
        /// The store takes objects again.
        case resumed
        /// The disk under the spool takes nothing: one object at a time waits in memory.
        case unusable(StorageError)
    }

    private enum Queued {
        case object(SpooledObject, stored: @Sendable () -> Void)
        case action(@Sendable (StorageError?) -> Void)
    }

    private let store: ObjectStore
    private let settings: Settings
    private let tell: @Sendable (Event) -> Void

    // All of it is touched under the condition's lock only.
    private let changed = NSCondition()
    private var queue: [Queued] = []
    private var bytes: Int64 = 0
    private var objects = 0
    private var objectsInMemory = 0
    private var failure: StorageError?
    private var isClosed = false
    private var isUnusableTold = false

    package init(
        into store: ObjectStore, _ settings: Settings, tell: @escaping @Sendable (Event) -> Void
    ) {
        self.store = store
        self.settings = settings
        self.tell = tell
        SpooledObject.removeLeftovers(in: settings.folder)
        let thread = Thread { [self] in work() }
        thread.name = "upload"
        thread.start()
    }

    /// Takes an object; waits while there is no room for it. One that is larger than the whole spool waits
    /// until that is empty.
    ///
    /// - Parameter stored: called on the spool's thread when the object is durable in the store.
    /// - Throws: why an earlier object could not be uploaded.
    package func put(
        _ name: String, _ content: [UInt8], stored: @escaping @Sendable () -> Void
    ) throws(StorageError) {
        let size = Int64(content.count)
        try reserve {
            objects == 0 || (bytes + size <= settings.bytesMax && objects < settings.objectsMax)
        } taking: {
            bytes += size
            objects += 1
        }
        let object: SpooledObject
        do {
            object = try SpooledObject(name, content, in: settings.folder)
        } catch {
            tellUnusable(error)
            do throws(StorageError) {
                try reserve {
                    objectsInMemory == 0
                } taking: {
                    objectsInMemory += 1
                }
            } catch {
                release(size)
                throw error
            }
            object = SpooledObject(inMemory: name, content)
        }
        changed.withLock {
            queue.append(.object(object, stored: stored))
            changed.broadcast()
        }
    }

    /// Calls `action` on the spool's thread when all that was put before is stored, or with the reason why it
    /// never will be.
    package func afterwards(_ action: @escaping @Sendable (StorageError?) -> Void) {
        changed.withLock {
            queue.append(.action(action))
            changed.broadcast()
        }
    }

    /// Returns when all that was put before is stored, or never will be.
    package func wait() {
        let done = DispatchSemaphore(value: 0)
        afterwards { _ in done.signal() }
        done.wait()
    }

    /// Drops what is not uploaded yet; the thread ends when the object in hand is settled.
    package func close() {
        changed.withLock {
            isClosed = true
            changed.broadcast()
        }
    }

    // MARK: Room

    private func reserve(
        when hasRoom: () -> Bool, taking take: () -> Void
    ) throws(StorageError) {
        let reason: StorageError? = changed.withLock {
            while failure == nil, !isClosed, !hasRoom() { changed.wait() }
            if failure == nil, !isClosed { take() }
            return failure ?? (isClosed ? Self.closed(settings.folder) : nil)
        }
        if let reason { throw reason }
    }

    private static func closed(_ folder: String) -> StorageError {
        StorageError(.failed, path: folder, "the spool is closed; nothing more is uploaded")
    }

    private func release(_ size: Int64) {
        changed.withLock {
            bytes -= size
            objects -= 1
            changed.broadcast()
        }
    }

    private func tellUnusable(_ error: StorageError) {
        let isFirst = changed.withLock {
            defer { isUnusableTold = true }
            return !isUnusableTold
        }
        if isFirst { tell(.unusable(error)) }
    }

    // MARK: The thread

    private func work() {
        while let next = take() {
            switch next {
            case .action(let action): action(changed.withLock { failure })
            case .object(let object, let stored):
                if changed.withLock({ failure == nil }) { upload(object, stored) }
                changed.withLock { if object.isInMemory { objectsInMemory -= 1 } }
                release(object.size)
            }
        }
    }

    private func take() -> Queued? {
        changed.withLock {
            while queue.isEmpty, !isClosed { changed.wait() }
            return isClosed ? nil : queue.removeFirst()
        }
    }

    private func upload(_ object: SpooledObject, _ stored: () -> Void) {
        do throws(StorageError) {
            try persist(object.name, try object.read())
            stored()
        } catch {
            changed.withLock {
                failure = error
                changed.broadcast()
            }
        }
    }

    /// Writes again and again while nobody answers.
    private func persist(_ name: String, _ content: [UInt8]) throws(StorageError) {
        let start = ContinuousClock.now
        var isWaiting = false
        while true {
            do {
                try store.write(name, content)
                if isWaiting { tell(.resumed) }
                return
            } catch {
                let isOver = ContinuousClock.now - start > settings.patience
                guard error.code == .unreachable, !isOver, !changed.withLock({ isClosed }) else {
                    throw error
                }
                if !isWaiting { tell(.waiting(error)) }
                isWaiting = true
            }
            settings.pause()
        }
    }
}

/// An object's bytes in a file without a name.
struct SpooledObject: @unchecked Sendable {
    // A handle is used by one thread at a time: by who makes the object, then by who reads it.
    private final class File {
        let handle: FileHandle
        init(_ handle: consuming FileHandle) { self.handle = handle }
    }

    private static let ending = ".spool"

    let name: String
    let size: Int64
    private let file: File?
    private let content: [UInt8]
    private let hash: UInt64

    init(_ name: String, _ content: [UInt8], in folder: String) throws(StorageError) {
        try Folder.make(folder)
        let path = "\(folder)/\(UInt64.random(in: 0...UInt64.max))\(Self.ending)"
        let handle = try FileHandle(
            opening: path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600, doing: "create the spool file")
        unlink(path)
        let outcome = content.withUnsafeBytes { bytes in
            Result { () throws(StorageError) in try handle.write(bytes) }
        }
        try outcome.get()
        self.name = name
        size = Int64(content.count)
        self.content = []
        hash = XXH64Hasher.hash(of: content)
        file = File(consume handle)
    }

    init(inMemory name: String, _ content: [UInt8]) {
        self.name = name
        size = Int64(content.count)
        self.content = content
        hash = 0
        file = nil
    }

    var isInMemory: Bool { file == nil }

    /// All bytes, as they were put in.
    func read() throws(StorageError) -> [UInt8] {
        guard let file else { return content }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        let outcome = bytes.withUnsafeMutableBytes { bytes in
            Result { () throws(StorageError) in try file.handle.read(at: 0, into: bytes) }
        }
        guard try Int64(outcome.get()) == size, XXH64Hasher.hash(of: bytes) == hash else {
            throw StorageError(
                .damaged, path: file.handle.path,
                "the spool file of \(name) reads back other than it was written; the disk under the spool is "
                    + "failing")
        }
        return bytes
    }

    /// A process that was killed between making a file and unlinking it leaves an empty one; the files of
    /// living processes have no names any more, or lose them now.
    static func removeLeftovers(in folder: String) {
        guard let names = names(in: folder) else { return }
        for name in names where name.hasSuffix(ending) { unlink("\(folder)/\(name)") }
    }

    /// Nil where there is no such folder yet, or it cannot be read: then the first file tells why.
    private static func names(in folder: String) -> [String]? {
        do {
            return try Folder.names(in: folder)
        } catch {
            return nil
        }
    }
}
