import BolsterDataset
import Glibc

/// Finds the shards that a manifest's `input.shards` names: paths, brace ranges, globs, and list files.
package enum InputShards {
    /// How a shard's name may end.
    package static let endings = [".tar", ".tar.gz"]
    private static let shownMax = 20

    /// All shards in the order of the patterns, a glob's sorted by their bytes. Relative patterns start from
    /// `manifestDirectory`, those of a list file (".txt") from the list's own folder. Throws every missing
    /// shard and empty pattern at once, shards of equal name (records and output are named by it), and an
    /// empty result.
    package static func find(
        patterns: [String], manifestDirectory: String
    ) throws(StorageError) -> [Shard] {
        var search = Search()
        for pattern in patterns {
            try search.take(pattern: pattern, folder: absolute(manifestDirectory), mayList: true)
        }
        guard search.problems.isEmpty else {
            throw StorageError(.notFound, path: "", summary(search.problems))
        }
        guard !search.shards.isEmpty else {
            throw StorageError(.badInput, path: "", "input.shards names no shard")
        }
        return search.shards
    }

    private static func summary(_ problems: [String]) -> String {
        let shown = problems.prefix(shownMax).map { "\n  \($0)" }.joined()
        let more = problems.count > shownMax ? "\n  and \(problems.count - shownMax) more" : ""
        return "\(problems.count) problem\(problems.count == 1 ? "" : "s") with input.shards:\(shown)\(more)"
    }

    private static func absolute(_ folder: String) -> String {
        if folder.hasPrefix("/") { return folder }
        guard let current = getcwd(nil, 0) else { return folder }
        defer { free(current) }
        let base = String(cString: current)
        return folder.isEmpty || folder == "." ? base : Folder.join(base, folder)
    }
}

/// What has been found so far.
private struct Search {
    var shards: [Shard] = []
    var problems: [String] = []
    private var locationOfName: [String: String] = [:]
    private static let listBytesMax = 256 << 20

    mutating func take(pattern: String, folder: String, mayList: Bool) throws(StorageError) {
        let names: [String]
        do {
            names = try ShardList.expandBraces(pattern)
        } catch {
            throw StorageError(.badInput, path: "input.shards", error.description)
        }
        for name in names {
            if name.hasPrefix("file://") {
                try take(path: String(name.dropFirst("file://".count)), mayList: mayList)
            } else {
                try take(path: Manifest.resolve(name, relativeTo: folder), mayList: mayList)
            }
        }
    }

    private mutating func take(path: String, mayList: Bool) throws(StorageError) {
        if path.hasSuffix(".txt"), mayList {
            try take(listFile: path)
        } else if let status = Self.status(of: path) {
            take(file: path, status)
        } else if path.contains(where: { "*?[".contains($0) }) {
            take(glob: path)
        } else {
            problems.append("\(path): \(String(cString: strerror(errno)).lowercased())")
        }
    }

    private mutating func take(listFile path: String) throws(StorageError) {
        let text: String
        do {
            text = try String(decoding: ObjectStore(root: "/").read(String(path.dropFirst())), as: UTF8.self)
        } catch {
            problems.append("\(path): list file: \(error.message)")
            return
        }
        let before = shards.count + problems.count
        for pattern in ShardList.patterns(ofListFile: text) {
            try take(pattern: pattern, folder: Folder.parent(of: path), mayList: false)
        }
        if shards.count + problems.count == before {
            problems.append("\(path): the list file names no shard")
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
        guard InputShards.endings.contains(where: path.hasSuffix) else {
            problems.append(
                "\(path): shards end in \(InputShards.endings.joined(separator: " or ")); narrow the "
                    + "pattern, or rename it"
            )
            return
        }
        guard access(path, R_OK) == 0 else {
            problems.append("\(path): \(String(cString: strerror(errno)).lowercased())")
            return
        }
        let name = Shard.name(ofLocation: path)
        if let other = locationOfName[name] {
            problems.append(
                other == path
                    ? "\(path): is named twice"
                    : "\(path): has the same name, '\(name)', as \(other); rename one")
            return
        }
        locationOfName[name] = path
        shards.append(Shard(index: shards.count, name: name, location: path, identity: ShardIdentity(status)))
    }

    /// Nil where the file cannot be looked at; `errno` then says why.
    private static func status(of path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }
}
