import BolsterDataset
import Foundation

/// Finds the shards that a manifest's `input.shards` names: paths and URLs, brace ranges, globs, list files
/// and `info.json` files, in folders, buckets ("s3://…") and on web servers ("https://…").
package enum InputShards {
    /// How a shard's name may end.
    package static let endings = ShardFormat.endings
    private static let shownMax = 20

    /// All shards in the order of the patterns, a glob's sorted by their bytes. Relative patterns start from
    /// `manifestDirectory`, those of a list file (".txt") or an "info.json" from the list's own folder.
    /// Throws every missing shard and empty pattern at once, shards of equal name (records and output are
    /// named by it), and an empty result.
    package static func find(
        patterns: [String], manifestDirectory: String
    ) throws(StorageError) -> [Shard] {
        try find(patterns: patterns, manifestDirectory: manifestDirectory, remote: RemoteShards())
    }

    static func find(
        patterns: [String], manifestDirectory: String, remote: RemoteShards
    ) throws(StorageError) -> [Shard] {
        var search = ShardSearch(remote: remote)
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
        if folder.hasPrefix("/") || folder.contains("://") { return folder }
        let current = FileManager.default.currentDirectoryPath
        return folder.isEmpty || folder == "." ? current : Folder.join(current, folder)
    }
}
