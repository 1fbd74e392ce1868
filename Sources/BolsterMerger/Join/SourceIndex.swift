import BolsterDataset
import BolsterDeterminism

/// Where source samples lie, by the hash of their key or uid: 24 bytes a sample, whatever its name's length.
/// A hit must be confirmed by the name itself.
struct SourceIndex: Sendable {
    struct Place: Sendable, Equatable {
        var hash: UInt64
        /// The position in the list of source shards.
        var shard: UInt32
        /// In blocks of 512 bytes.
        var start: UInt32
        var count: UInt32

        var offset: Int64 { Int64(start) * 512 }
        var byteCount: Int { Int(count) * 512 }
    }

    /// Shards beyond this have offsets that no place can hold.
    static let shardBytesMax = Int64(UInt32.max) * 512

    private let places: [Place]

    /// In the order of the shards, within them of the samples: of equal names the first counts.
    init(_ places: [Place]) {
        self.places = places.sorted {
            ($0.hash, $0.shard, $0.start) < ($1.hash, $1.shard, $1.start)
        }
    }

    var count: Int { places.count }

    static func hash(of name: String) -> UInt64 { XXH64Hasher.hash(of: Array(name.utf8)) }

    /// Places of samples whose name has this hash, the first of the input first.
    func candidates(_ hash: UInt64) -> ArraySlice<Place> {
        var low = 0
        var high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle].hash < hash { low = middle + 1 } else { high = middle }
        }
        let end = places[low...].firstIndex { $0.hash != hash } ?? places.count
        return places[low..<end]
    }
}

/// A sorted set of hashes, eight bytes each.
struct HashSet: Sendable {
    private let hashes: [UInt64]

    init(_ hashes: [UInt64]) { self.hashes = hashes.sorted() }

    func contains(_ hash: UInt64) -> Bool {
        var low = 0
        var high = hashes.count
        while low < high {
            let middle = (low + high) / 2
            if hashes[middle] < hash { low = middle + 1 } else { high = middle }
        }
        return low < hashes.count && hashes[low] == hash
    }
}
