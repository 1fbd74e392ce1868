import BolsterDataset
import Foundation

/// A bucket with a prefix as an `ObjectStore` keeps it: one object a name.
struct S3Store: StoreBackend {
    let root: String
    private let client: Result<S3Client, StorageError>

    init(root: String) {
        self.root = root
        client = S3Client.shared
    }

    init(root: String, client: S3Client) {
        self.root = root
        self.client = .success(client)
    }

    func write(_ location: String, _ bytes: [UInt8]) throws(StorageError) {
        try client.get().put(S3Location(location), bytes)
    }

    func createExclusively(_ location: String, _ bytes: [UInt8]) throws(StorageError) -> Bool {
        try client.get().putUnlessPresent(S3Location(location), bytes)
    }

    func sink(_ location: String) throws(StorageError) -> any ObjectSink {
        S3Upload(try client.get(), try S3Location(location))
    }

    func read(_ location: String, range: Range<Int64>?) throws(StorageError) -> [UInt8] {
        let place = try S3Location(location)
        let client = try client.get()
        guard let facts = try client.facts(place) else {
            throw StorageError(.notFound, path: location, "there is no such object; check the key")
        }
        let wanted = (range ?? 0..<facts.size).clamped(to: 0..<facts.size)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(wanted.count)
        try RemoteObject(client, place, ShardIdentity(size: facts.size, version: facts.etag))
            .download(wanted) { piece in
                bytes += piece
                return true
            }
        return bytes
    }

    func size(_ location: String) throws(StorageError) -> Int64? {
        try client.get().facts(S3Location(location))?.size
    }

    func list(prefix: String) throws(StorageError) -> [String] {
        let base = try S3Location(Folder.join(root, ""))
        let below = S3Location(bucket: base.bucket, key: base.key + prefix)
        return try client.get().list(below).map { String($0.key.utf8.dropFirst(base.key.utf8.count)) ?? "" }
            .filter { !$0.isEmpty && !$0.hasSuffix("/") }
    }

    func objects(prefix: String) throws(StorageError) -> [StoredObject] {
        let base = try S3Location(Folder.join(root, ""))
        let below = S3Location(bucket: base.bucket, key: base.key + prefix)
        return try client.get().list(below).compactMap { key, facts in
            guard let name = String(key.utf8.dropFirst(base.key.utf8.count)), !name.isEmpty,
                !name.hasSuffix("/")
            else { return nil }
            // What states no time is taken for new.
            return StoredObject(name: name, size: facts.size, modified: facts.modified ?? .max)
        }
    }

    func delete(_ location: String) throws(StorageError) {
        try client.get().delete(S3Location(location))
    }

    func removeUnfinished(under folder: String, olderThan age: Duration) throws(StorageError) -> Int {
        let prefix = try S3Location(Folder.join(root, folder.isEmpty ? "" : folder + "/"))
        let oldest = Date(timeIntervalSinceNow: -Double(age.components.seconds))
        let client = try client.get()
        let left = try client.unfinishedUploads(prefix, before: oldest)
        for (location, upload) in left { try client.abortUpload(location, upload: upload) }
        return left.count
    }
}
