import BolsterDeterminism
import BolsterStorage
import Foundation

/// Finds the uids that come twice in a dataset, whatever its size: keys are unique in a shard, uids ought to
/// be in all of them.
///
/// Of each uid its XXH64 and its place are kept, sixteen bytes, in 256 parts by the hash's first bits; a part
/// over 64 KiB goes into a temporary file, and at the end one part at a time is sorted. Memory: 16 MiB, and
/// the 256th part of all sixteen bytes at the end: 80 MiB for 1.28 billion samples, with 20 GB in the
/// temporary file. Two different uids have one hash with a probability of 4 % in a set of that size; so a
/// finding is confirmed by the uids themselves before it is told.
struct RepeatedUIDs: ~Copyable {
    /// Where a sample lies.
    struct Place: Hashable {
        /// The position in the list of shards.
        var shard: UInt32
        /// The position in the shard.
        var sample: UInt32
    }

    private struct Mark {
        var hash: UInt64
        var place: Place
    }

    private static let partCount = 256

    private let partMarksMax: Int
    private let folder: ObjectStore
    private let name = "bolster-uids-\(UUID().uuidString)"
    private var parts: [[Mark]]
    private var spill: ObjectWriter?
    /// Where each part's marks lie in the temporary file.
    private var spilled: [[Range<Int64>]]

    /// - Parameters:
    ///   - folder: where the temporary file goes.
    ///   - partMarksMax: what a part keeps in memory: 64 KiB.
    init(folder: String = FileManager.default.temporaryDirectory.path, partMarksMax: Int = 4096) {
        self.partMarksMax = partMarksMax
        self.folder = ObjectStore(root: folder)
        parts = Array(repeating: [], count: Self.partCount)
        spilled = Array(repeating: [], count: Self.partCount)
    }

    mutating func append(_ uid: String, at place: Place) throws(StorageError) {
        let hash = XXH64Hasher.hash(of: Array(uid.utf8))
        let part = Int(hash >> 56)
        parts[part].append(Mark(hash: hash, place: place))
        if parts[part].count >= partMarksMax { try write(part) }
    }

    /// Every group of places whose uids have one hash, at most `groupsMax` of them, and how many places there
    /// are in all groups beyond the first of each.
    consuming func repeated(groupsMax: Int) throws(StorageError) -> (groups: [[Place]], count: Int) {
        let isSpilled = spill != nil
        if let spill = spill.take() { try spill.commit(durably: false) }
        var groups: [[Place]] = []
        var count = 0
        for part in 0..<Self.partCount {
            let marks = try marks(of: part).sorted {
                ($0.hash, $0.place.shard, $0.place.sample) < ($1.hash, $1.place.shard, $1.place.sample)
            }
            var start = 0
            while start < marks.count {
                var end = start + 1
                while end < marks.count, marks[end].hash == marks[start].hash { end += 1 }
                count += end - start - 1
                if end - start > 1, groups.count < groupsMax {
                    groups.append(marks[start..<end].map(\.place))
                }
                start = end
            }
        }
        if isSpilled { try folder.delete(name) }
        return (groups, count)
    }

    private mutating func write(_ part: Int) throws(StorageError) {
        var writer: ObjectWriter
        if let open = spill.take() { writer = open } else { writer = try folder.writer(name) }
        let start = writer.bytesWritten
        try writer.append(parts[part].withUnsafeBytes { Array($0) })
        spilled[part].append(start..<writer.bytesWritten)
        spill = consume writer
        parts[part].removeAll(keepingCapacity: true)
    }

    private borrowing func marks(of part: Int) throws(StorageError) -> [Mark] {
        var marks = parts[part]
        guard !spilled[part].isEmpty else { return marks }
        let file = try SeekableFile(opening: folder.location(of: name))
        for range in spilled[part] {
            let count = Int(range.upperBound - range.lowerBound) / MemoryLayout<Mark>.stride
            let buffer = UnsafeMutableBufferPointer<Mark>.allocate(capacity: count)
            defer { buffer.deallocate() }
            guard try file.read(at: range.lowerBound, into: UnsafeMutableRawBufferPointer(buffer)) > 0 else {
                throw StorageError(.changed, path: file.path, "ended while it was read")
            }
            marks.append(contentsOf: buffer)
        }
        return marks
    }
}
