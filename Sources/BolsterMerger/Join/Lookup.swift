import BolsterDataset
import Synchronization

/// Finds the sources of a shard's samples: by key in the one source shard of its name, whose headers are read
/// when it is wanted; by uid in an index of all source shards.
///
/// The index by uid holds only what the shards at hand ask for: 8 bytes for each of their samples and 24 for
/// each that is found, whatever the number of sources. Where that is more than allowed, parts are the way.
struct Lookup: Sendable {
    private let configuration: JoinConfiguration
    private let byName: [String: Int]
    private let whole: SourceIndex?
    let copies: SourceCopies
    /// Of source shards that were read for the index by uid.
    let damage: [String]

    /// Without an index: tells which source shards belong to a shard.
    init(unindexed configuration: JoinConfiguration) {
        self.configuration = configuration
        byName = Self.byName(configuration)
        whole = nil
        damage = []
        copies = SourceCopies(configuration.sources, in: configuration.scratch)
    }

    /// Reads what the index by uid needs.
    init(_ configuration: JoinConfiguration, shards: [Shard], threads: Int) throws(MergerError) {
        self.configuration = configuration
        byName = Self.byName(configuration)
        let copies = SourceCopies(configuration.sources, in: configuration.scratch)
        self.copies = copies
        guard let field = configuration.field else {
            whole = nil
            damage = []
            return
        }
        let room = IndexRoom(bytesMax: configuration.indexBytesMax)
        let wanted = HashSet(try Self.names(shards, configuration, field: field, threads: threads, room))
        let sources = configuration.sources
        let pool = ShardThreads<(places: [SourceIndex.Place], damage: String?)>(
            shards: sources.count, threads: threads, samples: { $0.places.count }
        ) { number, _ throws(MergerError) in
            var places: [SourceIndex.Place] = []
            let copy = try copies.copy(of: number)
            let damage = try ShardScan(sources[number], copy, field: field).run {
                sample throws(MergerError) in
                let place = Self.place(of: sample, shard: number)
                guard wanted.contains(place.hash) else { return }
                try room.take(MemoryLayout<SourceIndex.Place>.stride)
                places.append(place)
            }
            return (places, copy.damage ?? damage)
        }
        let found = try pool.results { _, _ in }
        whole = SourceIndex(found.flatMap(\.places))
        damage = found.compactMap(\.damage)
    }

    /// The source shards in which a shard's sources are looked for.
    func sources(of shard: Shard) -> [Shard] {
        guard configuration.field == nil else { return configuration.sources }
        return byName[shard.name].map { [configuration.sources[$0]] } ?? []
    }

    /// The index for a shard, and what is wrong with the source shard that was read for it.
    func index(for shard: Shard) throws(MergerError) -> (SourceIndex, damage: String?) {
        if let whole { return (whole, nil) }
        guard let number = byName[shard.name] else { return (SourceIndex([]), nil) }
        var places: [SourceIndex.Place] = []
        let copy = try copies.copy(of: number)
        let scan = try ShardScan(configuration.sources[number], copy, field: nil)
        let damage = try scan.run { sample throws(MergerError) in
            places.append(Self.place(of: sample, shard: number))
        }
        return (SourceIndex(places), copy.damage ?? damage)
    }

    /// A joined shard's source is not needed again where keys name samples.
    func release(_ shard: Shard) {
        if whole == nil, let number = byName[shard.name] { copies.release(number) }
    }

    private static func byName(_ configuration: JoinConfiguration) -> [String: Int] {
        Dictionary(
            configuration.sources.enumerated().map { ($0.element.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
    }

    private static func place(of sample: ShardScan.Found, shard: Int) -> SourceIndex.Place {
        SourceIndex.Place(
            hash: SourceIndex.hash(of: sample.name), shard: UInt32(shard), start: UInt32(sample.start / 512),
            count: UInt32((sample.end - sample.start) / 512))
    }

    /// The hashes of all names in the published shards.
    private static func names(
        _ shards: [Shard], _ configuration: JoinConfiguration, field: String, threads: Int,
        _ room: IndexRoom
    ) throws(MergerError) -> [UInt64] {
        let pool = ShardThreads<[UInt64]>(shards: shards.count, threads: threads, samples: \.count) {
            number, _ throws(MergerError) in
            var hashes: [UInt64] = []
            // A damage is told when the shard is joined.
            let copy = try SourceCopy(of: shards[number], in: configuration.scratch)
            _ = try ShardScan(shards[number], copy, field: field).run { sample throws(MergerError) in
                try room.take(MemoryLayout<UInt64>.stride)
                hashes.append(SourceIndex.hash(of: sample.name))
            }
            return hashes
        }
        return try pool.results { _, _ in }.flatMap { $0 }
    }
}

/// Counts what an index takes, for all threads together.
private final class IndexRoom: Sendable {
    private let bytesMax: Int
    private let taken = Atomic<Int>(0)

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    func take(_ bytes: Int) throws(MergerError) {
        let after = taken.add(bytes, ordering: .relaxed).newValue
        guard after <= bytesMax else {
            throw MergerError(
                .tooLarge,
                "the index by uid needs more than \(bytesMax) bytes (8 for each sample of the published set "
                    + "and 24 for each source found): raise --index-memory, or join in parts with --part i/n")
        }
    }
}
