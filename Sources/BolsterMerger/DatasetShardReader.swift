import BolsterDataset
import BolsterDeterminism
import BolsterRecords
import BolsterStorage

/// Streams the samples of one shard of a dataset, a tar or JSONL file, and hashes its bytes on the way.
struct DatasetShardReader: ~Copyable {
    /// The longest line that is read.
    private static let lineBytesMax = 1 << 30

    private var source: ByteReader
    private var tar: TarSampleReader?
    private let terms: DatasetTerms
    private let name: String
    private var hasher = XXH64Hasher()
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    private(set) var bytesRead: Int64 = 0
    private var hasEnded = false

    private var line: [UInt8] = []
    private var lines: [[UInt8]] = []
    private var lineCount = 0
    private var lineStart: Int64 = 0
    private var keys: Set<UInt64> = []

    init(_ name: String, in dataset: ObjectStore, terms: DatasetTerms) throws(StorageError) {
        source = try ByteReader(opening: dataset.location(of: name))
        tar = terms.format == "jsonl" ? nil : TarSampleReader(shard: name)
        self.name = name
        self.terms = terms
    }

    deinit { buffer.deallocate() }

    /// What a sample's file cannot be read for, or the storage beneath.
    enum Problem: Error, Sendable {
        case storage(StorageError)
        case damaged(String)
    }

    /// Of all bytes, once the last sample has come.
    var xxh64: String { Hexadecimal.text(of: hasher.current()) }

    mutating func next() throws(Problem) -> Sample? {
        while true {
            if tar != nil {
                do throws(DatasetError) {
                    if let sample = try tar?.next() { return sample }
                } catch {
                    throw .damaged("\(error)")
                }
            } else if let sample = try nextLine() {
                return sample
            }
            guard !hasEnded else { return nil }
            try readPiece()
        }
    }

    private mutating func readPiece() throws(Problem) {
        let count: Int
        do throws(StorageError) {
            count = try source.read(into: buffer)
        } catch {
            throw .storage(error)
        }
        let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        hasher.update(piece)
        bytesRead += Int64(count)
        if count == 0 {
            hasEnded = true
            tar?.finish()
            if !line.isEmpty { throw .damaged("\(name) ends inside line \(lineCount + lines.count + 1)") }
        } else if tar != nil {
            tar?.append(piece)
        } else {
            try split(piece)
        }
    }

    private mutating func split(_ piece: UnsafeRawBufferPointer) throws(Problem) {
        var rest = piece[...]
        while let end = rest.firstIndex(of: 0x0A) {
            line.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[..<end]))
            lines.append(line)
            line = []
            rest = rest[(end + 1)...]
        }
        line.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest))
        guard line.count <= Self.lineBytesMax else {
            throw .damaged("a line of \(name) is over \(Self.lineBytesMax) bytes")
        }
    }

    private mutating func nextLine() throws(Problem) -> Sample? {
        guard !lines.isEmpty else { return nil }
        let bytes = lines.removeFirst()
        do throws(RecordsError) {
            let sample = try LineSample.sample(
                bytes, index: lineCount, start: lineStart, columns: Set(terms.captioners.keys))
            lineCount += 1
            lineStart = sample.end
            guard keys.insert(XXH64Hasher.hash(of: Array(sample.key.utf8))).inserted else {
                throw RecordsError(.malformed, "line \(lineCount): the key \(sample.key) was there before")
            }
            return sample
        } catch {
            throw .damaged("\(name): \(error)")
        }
    }
}
