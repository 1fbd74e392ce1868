import Foundation
import Synchronization

/// One object on its way into a bucket: in one request where it is small, in parts that are uploaded while
/// the caller goes on where it is large.
final class S3Upload: ObjectSink {
    /// S3 takes parts of 5 MiB and more, and ten thousand of them: objects up to 156 GiB.
    static let partBytes = 16 << 20
    static let partsMax = 10_000
    private static let waitingMax = 3

    private let client: S3Client
    private let location: S3Location
    private var part: [UInt8] = []
    private var partsBegun = 0
    private var upload: String?
    private let queue = DispatchQueue(label: "upload", attributes: .concurrent)
    private let room = DispatchSemaphore(value: S3Upload.waitingMax)
    private let waiting = DispatchGroup()
    private let progress = Progress()

    /// What the uploading threads have reached.
    private final class Progress: Sendable {
        let etags = Mutex<[Int: String]>([:])
        let failure = Mutex<StorageError?>(nil)
    }

    init(_ client: S3Client, _ location: S3Location) {
        self.client = client
        self.location = location
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Self.partBytes - part.count)
            part += piece
            rest = rest.dropFirst(piece.count)
            if part.count == Self.partBytes { try sendPart() }
        }
    }

    private func sendPart() throws(StorageError) {
        guard partsBegun < Self.partsMax else {
            throw StorageError(
                .full, path: location.url,
                "is longer than \(Self.partsMax) parts of \(Self.partBytes) bytes; write smaller shards")
        }
        let begun: String
        if let upload {
            begun = upload
        } else {
            begun = try client.beginUpload(location)
            upload = begun
        }
        partsBegun += 1
        let (number, body) = (partsBegun, part)
        part = []
        part.reserveCapacity(Self.partBytes)
        room.wait()
        do throws(StorageError) {
            try throwFailure()
        } catch {
            room.signal()
            throw error
        }
        queue.async(group: waiting) { [client, location, progress, room] in
            defer { room.signal() }
            do throws(StorageError) {
                let etag = try client.uploadPart(location, upload: begun, number: number, body)
                progress.etags.withLock { $0[number] = etag }
            } catch {
                progress.failure.withLock { $0 = $0 ?? error }
            }
        }
    }

    private func throwFailure() throws(StorageError) {
        if let failure = progress.failure.withLock({ $0 }) { throw failure }
    }

    func commit(exclusively: Bool, durably: Bool) throws(StorageError) -> Bool {
        guard upload != nil else {
            if exclusively { return try client.putUnlessPresent(location, part) }
            try client.put(location, part)
            return true
        }
        if !part.isEmpty { try sendPart() }
        waiting.wait()
        try throwFailure()
        guard let begun = upload else { preconditionFailure("an upload was begun") }
        let etags = progress.etags.withLock { etags in
            etags.sorted { $0.key < $1.key }.map(\.value)
        }
        guard try client.completeUpload(location, upload: begun, etags: etags, exclusively: exclusively)
        else { return false }
        upload = nil
        return true
    }

    /// Aborts what was begun. Where even that fails, `ObjectStore.removeUnfinished` finds it later.
    func discard() {
        guard let begun = upload else { return }
        upload = nil
        waiting.wait()
        do throws(StorageError) {
            try client.abortUpload(location, upload: begun)
        } catch {
            progress.failure.withLock { $0 = $0 ?? error }
        }
    }
}
