import BolsterDataset
import BolsterStorage

/// How many samples a shard has, by reading it through.
enum SampleCount {
    static func samples(in shard: Shard) throws -> Int {
        var bytes = try ByteReader(opening: shard.location, at: 0)
        var parser = TarSampleReader(shard: shard.location)
        var block = [UInt8](repeating: 0, count: 1 << 20)
        var samples = 0
        while true {
            while try parser.next() != nil { samples += 1 }
            let count = try block.withUnsafeMutableBytes { try bytes.read(into: $0) }
            if count == 0 { break }
            block.withUnsafeBytes { parser.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
        parser.finish()
        while try parser.next() != nil { samples += 1 }
        return samples
    }
}
