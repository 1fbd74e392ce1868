import ArgumentParser
import BolsterWorker

/// What a worker may keep on its node's disk, and where.
struct CacheOptions: ParsableArguments {
    @Option(
        help: .init(
            """
            A folder of this node for all its workers: verified copies of models and remote shards. Default: \
            bolster below $XDG_CACHE_HOME or ~/.cache, and local models are read where they lie.
            """, valueName: "dir"))
    var cache: String?

    @Option(
        help: .init(
            """
            How much of it copies of remote shards may take, like 200GiB; 0 keeps none. Default: a quarter \
            of the disk's free space, at most 100GiB, and none on a network file system.
            """, valueName: "size"))
    var cacheShards: ByteCount?

    @Option(
        help: .init(
            "Disk that each worker process may take for record files on their way into a bucket.",
            valueName: "size"))
    var spoolSize = ByteCount(WorkerConfiguration.spoolBytesPreset)

    /// The same options for a child process, in its working directory.
    var arguments: [String] {
        var arguments = ["--spool-size", spoolSize.description]
        if let cache { arguments += ["--cache", absolutePath(cache)] }
        if let cacheShards { arguments += ["--cache-shards", cacheShards.description] }
        return arguments
    }

    func apply(to configuration: inout WorkerConfiguration) {
        configuration.cache = cache.map(absolutePath)
        configuration.cacheShards = cacheShards?.bytes
        configuration.spoolBytes = spoolSize.bytes
    }
}

/// A count of bytes as people write it: "0", "512MiB", "200GiB", "1.5TiB"; "GB" and "G" mean GiB here.
struct ByteCount: ExpressibleByArgument, CustomStringConvertible {
    let bytes: Int64

    private static let units = ["K", "M", "G", "T"]

    init(_ bytes: Int64) { self.bytes = bytes }

    init?(argument: String) {
        let number = argument.prefix { $0.isNumber || $0 == "." }
        guard let value = Double(number), value >= 0, number.first != "." else { return nil }
        let unit = argument[number.endIndex...].uppercased()
        if unit.isEmpty || unit == "B" {
            guard let bytes = Int64(number) else { return nil }
            self.bytes = bytes
            return
        }
        guard let power = Self.units.firstIndex(where: { ["\($0)", "\($0)B", "\($0)IB"].contains(unit) }),
            case let bytes = value * Double(1 << (10 * (power + 1))), bytes < Double(Int64.max)
        else { return nil }
        self.bytes = Int64(bytes)
    }

    /// Exact, in the largest unit that is.
    var description: String {
        guard let power = (1...4).last(where: { bytes > 0 && bytes % (1 << (10 * $0)) == 0 }) else {
            return "\(bytes)"
        }
        return "\(bytes >> (10 * Int64(power)))\(Self.units[power - 1])iB"
    }
}
