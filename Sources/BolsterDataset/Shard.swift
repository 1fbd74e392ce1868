/// One tar (or later JSONL) file of the input.
package struct Shard: Hashable, Sendable {
    /// The position in the input's list, from 0.
    package var index: Int
    /// The base name up to the first ".tar" or ".jsonl": names the shard in records, ledger and output.
    package var name: String
    /// An absolute path (or, later, a URL).
    package var location: String
    package var identity: ShardIdentity

    package init(index: Int, name: String, location: String, identity: ShardIdentity) {
        self.index = index
        self.name = name
        self.location = location
        self.identity = identity
    }

    /// The name of a shard that lies at `location`: "corpus/00012.tar.gz" is "00012".
    package static func name(ofLocation location: String) -> String {
        let base = location.split(separator: "/").last.map(String.init) ?? location
        for suffix in [".tar", ".jsonl"] {
            if let range = base.range(ofFirst: suffix) { return String(base[..<range.lowerBound]) }
        }
        return base
    }
}

/// What tells a shard from a changed one: frozen in the ledger at the first start.
package struct ShardIdentity: Hashable, Sendable, Codable {
    /// Bytes.
    package var size: Int64
    /// The modification time in nanoseconds since 1970, decimal; an ETag for objects.
    package var version: String

    package init(size: Int64, version: String) {
        self.size = size
        self.version = version
    }
}

extension String {
    /// The first place where `text` stands; nil where it does not (and for an empty `text`).
    func range(ofFirst text: String) -> Range<String.Index>? {
        guard !text.isEmpty else { return nil }
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) {
                return start..<index(start, offsetBy: text.count)
            }
            start = index(after: start)
        }
        return nil
    }
}
