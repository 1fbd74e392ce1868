import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Tells which samples of a dataset have the same uid. WebDataset asks for keys that are unique in a shard
/// only, and a set that repeats samples on purpose can be trained on, so this is a warning and no fault.
struct UIDCheck: ~Copyable {
    /// Groups that are looked at again and told by name; of the others the number.
    private static let groupsMax = 20

    private let shards: [String]
    private var repeated = RepeatedUIDs()

    /// - Parameter shards: the files, in the order in which they are read.
    init(_ shards: [String]) { self.shards = shards }

    /// The uid of a sample's `json`; nil where it has none.
    static func uid(of sample: Sample) -> String? {
        guard let json = sample.member("json") else { return nil }
        return json.bytes.withUnsafeBytes { UIDField.value(in: $0, "uid") }
    }

    mutating func take(_ sample: Sample, shard: Int) throws(StorageError) {
        guard let uid = Self.uid(of: sample) else { return }
        try repeated.append(uid, at: .init(shard: UInt32(shard), sample: UInt32(sample.index)))
    }

    /// Adds a warning for each uid that comes again.
    consuming func finish(
        _ dataset: ObjectStore, _ terms: DatasetTerms, _ report: inout VerifyReport
    ) throws(StorageError) {
        let shards = shards
        let (groups, count) = try repeated.repeated(groupsMax: Self.groupsMax)
        guard count > 0 else { return }
        var wanted: [Int: Set<Int>] = [:]
        for place in groups.joined() { wanted[Int(place.shard), default: []].insert(Int(place.sample)) }
        var found: [RepeatedUIDs.Place: (key: String, uid: String)] = [:]
        for (shard, samples) in wanted {
            try Self.look(for: samples, in: shards[shard], dataset, terms) { sample, uid in
                found[.init(shard: UInt32(shard), sample: UInt32(sample.index))] = (sample.key, uid)
            }
        }
        for group in groups {
            guard let first = group.first, let original = found[first] else { continue }
            for place in group.dropFirst() {
                // Two uids may have one hash.
                guard let other = found[place], other.uid == original.uid else { continue }
                report.append(
                    warning: .init(
                        code: "repeated_uid", shard: shards[Int(place.shard)], key: other.key,
                        message:
                            "its uid \(other.uid) was there: \(original.key) in \(shards[Int(first.shard)])"))
            }
        }
        let told = groups.reduce(0) { $0 + $1.count - 1 }
        if count > told {
            report.append(
                warning: .init(
                    code: "repeated_uid",
                    message: "and \(count - told) more samples have a uid that was there"))
        }
    }

    /// Reads a shard up to the last of the samples.
    private static func look(
        for samples: Set<Int>, in shard: String, _ dataset: ObjectStore, _ terms: DatasetTerms,
        _ body: (Sample, String) -> Void
    ) throws(StorageError) {
        var reader = try DatasetShardReader(shard, in: dataset, terms: terms)
        do throws(DatasetShardReader.Problem) {
            while let sample = try reader.next() {
                if samples.contains(sample.index), let uid = uid(of: sample) { body(sample, uid) }
                if sample.index >= samples.max() ?? 0 { return }
            }
        } catch {
            // A damage has been told already; what lies behind it was not taken.
            if case .storage(let error) = error { throw error }
        }
    }
}
