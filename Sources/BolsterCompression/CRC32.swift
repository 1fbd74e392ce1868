import CZlib

/// The CRC-32 of ZIP and gzip (ISO 3309).
package enum CRC32 {
    /// Over the parts as if they were one.
    package static func of(_ parts: [UnsafeRawBufferPointer]) -> UInt32 {
        var crc = crc32(0, nil, 0)
        for part in parts where !part.isEmpty {
            crc = crc32_z(crc, part.assumingMemoryBound(to: UInt8.self).baseAddress, part.count)
        }
        return UInt32(truncatingIfNeeded: crc)
    }
}
