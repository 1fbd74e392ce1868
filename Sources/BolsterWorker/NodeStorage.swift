import BolsterDataset
import BolsterLeasing
import BolsterStorage
import Glibc
import Logging

/// What a worker keeps on its node's disk between the input, the models and the output: copies of remote
/// shards, shared by all processes of the node, and record files on their way into a bucket.
///
///     <cache>/shards/…    `ShardCache`
///     <cache>/spool/…     `UploadSpool`
final class NodeStorage: Sendable {
    /// Nil where nothing is kept.
    let shards: ShardCache?
    /// Nil where the output is a folder: what is written there is durable without a network's answer.
    let spool: UploadSpool?

    /// - Parameter run: the run's output, which tells one run from another.
    init(_ configuration: WorkerConfiguration, output: ObjectStore, log: Logger) {
        let root = configuration.cache ?? PackageCache.defaultRoot
        let bytesMax = configuration.cacheShards ?? Self.shardBytesPreset(root)
        shards =
            bytesMax == 0
            ? nil
            : ShardCache(root: root, bytesMax: bytesMax, run: output.root) { error in
                log.warning(
                    "a shard is read without its copy in the cache", metadata: [LogKey.error: "\(error)"])
            }
        guard !output.isLocal, configuration.spoolBytes > 0 else {
            spool = nil
            return
        }
        let settings = UploadSpool.Settings(folder: root + "/spool", bytesMax: configuration.spoolBytes)
        spool = UploadSpool(into: output, settings) { Self.log($0, log) }
        log.debug(
            "record files go through a spool",
            metadata: [LogKey.spool: "\(settings.folder)", LogKey.bytes: "\(settings.bytesMax)"])
    }

    /// Without copies and spool.
    init() {
        shards = nil
        spool = nil
    }

    deinit { spool?.close() }

    /// Where nobody says: a quarter of what the cache's file system has free, what the cache holds included,
    /// and at most 100 GiB; nothing on a network file system, as a home often is.
    static func shardBytesPreset(_ root: String) -> Int64 {
        guard NetworkFileSystem.name(at: root) == nil else { return 0 }
        var folder = root
        var status = statvfs()
        // The cache may not be there yet.
        while statvfs(folder, &status) != 0 {
            guard let slash = folder.lastIndex(of: "/"), slash > folder.startIndex else { return 0 }
            folder = String(folder[..<slash])
        }
        let free = Int64(status.f_bavail) * Int64(status.f_frsize) + ShardCache.bytesKept(in: root)
        return min(shardBytesPresetMax, free / 4)
    }

    static let shardBytesPresetMax: Int64 = 100 << 30

    /// Whether a unit of a grant reads a shard that this node may keep.
    func mayKeep(_ grant: Grant) -> Bool {
        shards != nil && grant.reads == nil && ShardCache.keeps(grant.shard.location)
    }

    private static func log(_ event: UploadSpool.Event, _ log: Logger) {
        switch event {
        case .waiting(let error):
            log.warning(
                "the output does not answer; record files wait in the spool, and the work goes on",
                metadata: [LogKey.error: "\(error)"])
        case .resumed: log.notice("the output takes record files again")
        case .unusable(let error):
            log.warning(
                "the spool cannot be written, so that few record files can wait for the output",
                metadata: [LogKey.error: "\(error)"])
        }
    }
}
