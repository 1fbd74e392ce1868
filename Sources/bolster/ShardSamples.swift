import BolsterDataset
import BolsterStorage

/// The samples of a shard, one after the other, read as a stream from its beginning.
struct ShardSamples: ~Copyable {
    private var bytes: ByteReader
    private var parser: SampleReader
    private var block = [UInt8](repeating: 0, count: 1 << 20)
    private var isRead = false

    init(of location: String) throws {
        bytes = try ByteReader(opening: location, at: 0)
        parser = SampleReader(shard: location)
    }

    /// Nil after the last sample.
    ///
    /// - Throws: DatasetError or StorageError, after everything before the damage.
    mutating func next() throws -> Sample? {
        while true {
            if let sample = try parser.next() { return sample }
            if isRead { return nil }
            let count = try block.withUnsafeMutableBytes { try bytes.read(into: $0) }
            block.withUnsafeBytes { parser.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            if count == 0 {
                parser.finish()
                isRead = true
            }
        }
    }
}
