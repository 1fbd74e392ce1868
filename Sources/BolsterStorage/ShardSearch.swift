import BolsterDataset
import Glibc

/// What has been found of the input so far.
struct ShardSearch {
    private(set) var shards: [Shard] = []
    private(set) var problems: [String] = []
    private var locationOfName: [String: String] = [:]
    private let remote: RemoteShards
    private static let listBytesMax = 256 << 20

    init(remote: RemoteShards) { self.remote = remote }

    /// - Parameter mayList: whether a list is followed; one that a list names is not.
    mutating func take(pattern: String, folder: String, mayList: Bool) throws(StorageError) {
        let names: [String]
        do {
            names = try ShardList.expandBraces(pattern)
        } catch {
            throw StorageError(.badInput, path: "input.shards", error.description)
        }
        let locations = names.map { Self.location(of: $0, in: folder) }
        if mayList, let first = locations.first, Self.isList(first) {
            for location in locations { try take(list: location) }
        } else if locations.contains(where: { $0.contains("://") }) {
            for found in try remote.find(locations) {
                switch found {
                case .shard(let location, let identity): take(location, identity)
                case .problem(let text): problems.append(text)
                }
            }
        } else {
            for location in locations { take(path: location) }
        }
    }

    /// Where a name leads; "file://" is a path.
    private static func location(of name: String, in folder: String) -> String {
        if name.hasPrefix("file://") { return String(name.dropFirst("file://".count)) }
        return Manifest.resolve(name, relativeTo: folder)
    }

    private static func isList(_ location: String) -> Bool {
        location.hasSuffix(".txt") || location.hasSuffix("info.json")
    }

    private mutating func take(list location: String) throws(StorageError) {
        let patterns: [String]
        do throws(StorageError) {
            patterns = try Self.patterns(of: location)
        } catch {
            problems.append("\(location): list file: \(error.message)")
            return
        }
        let before = shards.count + problems.count
        for pattern in patterns {
            try take(pattern: pattern, folder: Folder.parent(of: location), mayList: false)
        }
        if shards.count + problems.count == before {
            problems.append("\(location): the list file names no shard")
        }
    }

    private static func patterns(of location: String) throws(StorageError) -> [String] {
        let bytes = try StoredFile.read(location, bytesMax: listBytesMax)
        guard location.hasSuffix(".json") else {
            return ShardList.patterns(ofListFile: String(decoding: bytes, as: UTF8.self))
        }
        do throws(DatasetError) {
            // Names are names here, whatever braces they hold.
            return try PeerInfo.shards(bytes, source: location).map(ShardList.literally)
        } catch {
            throw StorageError(.badInput, path: location, error.message)
        }
    }

    // MARK: Files

    private mutating func take(path: String) {
        if let status = Self.status(of: path) {
            take(file: path, status)
        } else if path.contains(where: { "*?[".contains($0) }) {
            take(glob: path)
        } else {
            problems.append("\(path): \(String(cString: strerror(errno)).lowercased())")
        }
    }

    private mutating func take(glob pattern: String) {
        guard !pattern.contains("**") else {
            problems.append("\(pattern): '**' is not understood; name the folders, or use a list file")
            return
        }
        var found = glob_t()
        defer { globfree(&found) }
        switch glob(pattern, GLOB_NOSORT, nil, &found) {
        case 0: break
        case GLOB_NOMATCH:
            problems.append("\(pattern): no file matches")
            return
        default:
            problems.append("\(pattern): a folder on its way cannot be read")
            return
        }
        let paths = (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
        for path in paths.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            if let status = Self.status(of: path) {
                take(file: path, status)
            } else {
                problems.append("\(path): \(String(cString: strerror(errno)).lowercased())")
            }
        }
    }

    private mutating func take(file path: String, _ status: stat) {
        guard status.st_mode & S_IFMT == S_IFREG else {
            let hint =
                status.st_mode & S_IFMT == S_IFDIR
                ? "a folder; write \(path)/*.tar for the shards in it" : "no plain file"
            problems.append("\(path): is \(hint)")
            return
        }
        guard ShardFormat(ofLocation: path) == nil || access(path, R_OK) == 0 else {
            problems.append("\(path): \(String(cString: strerror(errno)).lowercased())")
            return
        }
        take(path, ShardIdentity(status))
    }

    /// Nil where the file cannot be looked at; `errno` then says why.
    private static func status(of path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    // MARK: All

    private mutating func take(_ location: String, _ identity: ShardIdentity) {
        guard ShardFormat(ofLocation: location) != nil else {
            problems.append(
                "\(location): shards end in \(ShardFormat.endings.joined(separator: ", ")); narrow the "
                    + "pattern, or rename it"
            )
            return
        }
        let name = Shard.name(ofLocation: location)
        if let other = locationOfName[name] {
            problems.append(
                other == location
                    ? "\(location): is named twice"
                    : "\(location): has the same name, '\(name)', as \(other); rename one")
            return
        }
        locationOfName[name] = location
        shards.append(Shard(index: shards.count, name: name, location: location, identity: identity))
    }
}
