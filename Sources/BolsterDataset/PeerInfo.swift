import Foundation

/// The `info.json` beside a set of shards, as RayGen of ml-mobileclip-dr and our merge write it:
///
///     {"name": "out/set", "lengths": {"out/set/00000000.jsonl": "512", …}, "totalLength": "512", …}
///
/// RayGen writes each name below the path that it was told to write to, without its first slash, so that its
/// own reader does not find them. Here a name is resolved against the folder that the file lies in.
package enum PeerInfo {
    /// The shards' names, sorted by their bytes: relative to the file's folder, absolute, or URLs.
    package static func shards(_ bytes: [UInt8], source: String) throws(DatasetError) -> [String] {
        func damaged(_ what: String) -> DatasetError {
            DatasetError(
                .damagedSelection, source: source,
                "\(what); expected an object with 'lengths', from shards' names to their samples")
        }
        let object: Any
        do {
            object = try JSONSerialization.jsonObject(with: Data(bytes))
        } catch {
            throw damaged("is no JSON")
        }
        guard let fields = object as? [String: Any], let lengths = fields["lengths"] as? [String: Any] else {
            throw damaged("has no 'lengths'")
        }
        guard !lengths.isEmpty else { throw damaged("names no shard") }
        let folder = slashless(fields["name"] as? String ?? "")
        return lengths.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { name in
            guard !folder.isEmpty, slashless(name).hasPrefix(folder + "/") else { return name }
            return String(slashless(name).dropFirst(folder.count + 1))
        }
    }

    private static func slashless(_ path: String) -> String {
        let rest = path.drop { $0 == "/" }
        return rest.hasSuffix("/") ? String(rest.dropLast()) : String(rest)
    }
}
