import BolsterDataset
import BolsterHTTP
import Foundation
import Glibc
import Synchronization

/// Finds shards in buckets and on web servers.
struct RemoteShards: Sendable {
    enum Found: Sendable {
        case shard(String, ShardIdentity)
        case problem(String)
    }

    private let client: Result<S3Client, StorageError>?
    private let web: WebServer
    /// Locations of one pattern up to which each is asked for by itself; more are looked up in a listing.
    private static let singlesMax = 8
    private static let threads = 16

    init() {
        client = nil
        web = .shared
    }

    init(client: S3Client, web: WebServer) {
        self.client = .success(client)
        self.web = web
    }

    /// What one pattern's expansion names, in its order.
    func find(_ locations: [String]) throws(StorageError) -> [Found] {
        if locations.allSatisfy({ $0.hasPrefix(S3Location.scheme) }) {
            return try findInBucket(
                locations.map { location throws(StorageError) in try S3Location(location) })
        }
        return askAll(locations) { location throws(StorageError) in
            guard WebServer.isURL(location) else {
                throw StorageError(
                    .badInput, path: location, "shards are read from paths, s3://, http:// and https://")
            }
            guard !WebServer.hasSecrets(location) else {
                throw StorageError(
                    .badInput, path: HTTPError.withoutSecrets(location),
                    "the URL seems to hold a password or a signature, and shards' URLs are kept and shown; "
                        + "use s3:// with credentials from the environment, or a server that asks for none")
            }
            return .shard(location, try web.open(location).identity)
        }
    }

    private func findInBucket(_ places: [S3Location]) throws(StorageError) -> [Found] {
        let client = try (client ?? S3Client.shared).get()
        guard !places.contains(where: { Self.isGlob($0.key) }), places.count <= Self.singlesMax else {
            return try findByListing(places, client)
        }
        return askAll(places) { place throws(StorageError) in
            guard let facts = try client.facts(place) else {
                return .problem("\(place.url): there is no such object")
            }
            return .shard(place.url, ShardIdentity(size: facts.size, version: facts.etag))
        }
    }

    /// One listing of each bucket for all its keys: what they have in common is listed.
    private func findByListing(
        _ places: [S3Location], _ client: S3Client
    ) throws(StorageError) -> [Found] {
        var listings: [String: [(key: String, facts: S3Client.ObjectFacts)]] = [:]
        var byKey: [S3Location: S3Client.ObjectFacts] = [:]
        for bucket in Set(places.map(\.bucket)) {
            let keys = places.filter { $0.bucket == bucket }.map(\.key)
            let prefix = Self.commonPrefix(keys.map(Self.literalPrefix))
            let listing = try client.list(S3Location(bucket: bucket, key: prefix))
            listings[bucket] = listing
            for (key, facts) in listing { byKey[S3Location(bucket: bucket, key: key)] = facts }
        }
        var found: [Found] = []
        for place in places {
            if let facts = byKey[place] {
                found.append(.shard(place.url, ShardIdentity(size: facts.size, version: facts.etag)))
            } else if Self.isGlob(place.key) {
                let matches = (listings[place.bucket] ?? []).filter { Self.matches($0.key, place.key) }
                if matches.isEmpty { found.append(.problem("\(place.url): no object matches")) }
                found += matches.map { key, facts in
                    let url = S3Location(bucket: place.bucket, key: key).url
                    return .shard(url, ShardIdentity(size: facts.size, version: facts.etag))
                }
            } else {
                found.append(.problem("\(place.url): there is no such object"))
            }
        }
        return found
    }

    private static func isGlob(_ key: String) -> Bool { key.contains { "*?[".contains($0) } }

    private static func literalPrefix(_ key: String) -> String { String(key.prefix { !"*?[".contains($0) }) }

    private static func commonPrefix(_ texts: [String]) -> String {
        guard var common = texts.first.map({ Array($0.utf8) }) else { return "" }
        for text in texts {
            common = Array(zip(common, text.utf8).prefix { $0 == $1 }.map(\.0))
        }
        // Half a character at the end would be another one.
        while String(validating: common, as: UTF8.self) == nil { common.removeLast() }
        return String(decoding: common, as: UTF8.self)
    }

    /// As a shell has it: a star does not pass a slash.
    private static func matches(_ key: String, _ pattern: String) -> Bool {
        fnmatch(pattern, key, FNM_PATHNAME | FNM_PERIOD) == 0
    }

    /// Asks for all on several threads; an error is that one's problem.
    private func askAll<Place: Sendable>(
        _ places: [Place], _ ask: @Sendable (Place) throws(StorageError) -> Found
    ) -> [Found] {
        let answers = Mutex<[Int: Found]>([:])
        let lanes = min(Self.threads, places.count)
        DispatchQueue.concurrentPerform(iterations: lanes) { lane in
            for index in stride(from: lane, to: places.count, by: lanes) {
                let answer: Found
                do throws(StorageError) {
                    answer = try ask(places[index])
                } catch {
                    answer = .problem(error.description)
                }
                answers.withLock { $0[index] = answer }
            }
        }
        return answers.withLock { answers in places.indices.compactMap { answers[$0] } }
    }
}
