/// Small files that a manifest names beside its shards: lists, files of uids.
package enum StoredFile {
    /// The content of a path or a URL; refuses what is longer than `bytesMax`.
    package static func read(
        _ location: String, bytesMax: Int = 16 << 30
    ) throws(StorageError) -> [UInt8] {
        var reader = try ByteReader(opening: location)
        guard reader.identity.size <= Int64(bytesMax) else {
            throw StorageError(
                .badInput, path: location,
                "has \(reader.identity.size) bytes, and \(bytesMax) are the most that is read")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(reader.identity.size))
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { block.deallocate() }
        while case let count = try reader.read(into: block), count > 0 { bytes += block[..<count] }
        return bytes
    }
}
