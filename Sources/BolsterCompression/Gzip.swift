import CZlib

/// gzip members (RFC 1952) without a time, a name or an operating system, so that equal bytes stay equal.
package enum Gzip {
    /// Huffman coding alone: in embeddings no string of bytes ever repeats, so a search for one only costs.
    case embeddings
    case text

    package func compressed(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        let strategy = self == .embeddings ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY
        // 16 added to the window's bits asks for a gzip wrapper.
        let begun = deflateInit2_(
            &stream, 6, Z_DEFLATED, 15 + 16, 9, strategy, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard begun == Z_OK else {
            fatalError("zlib cannot begin (\(begun)): out of memory, or of another version")
        }
        defer { deflateEnd(&stream) }
        // zlib writes a header of time 0; the last byte of it, the operating system, is 3 (Unix).
        let bound = Int(deflateBound(&stream, UInt(bytes.count)))
        return [UInt8](unsafeUninitializedCapacity: bound) { out, count in
            bytes.withUnsafeBufferPointer { source in
                stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                stream.avail_in = UInt32(source.count)
                stream.next_out = out.baseAddress
                stream.avail_out = UInt32(bound)
                let ended = deflate(&stream, Z_FINISH)
                precondition(ended == Z_STREAM_END, "deflateBound promised room that did not suffice")
                count = bound - Int(stream.avail_out)
            }
        }
    }

    /// All that a whole gzip file holds; refuses to grow beyond `bytesMax`.
    package static func decompressed(_ bytes: [UInt8], bytesMax: Int) throws(CompressionError) -> [UInt8] {
        var decoder = GzipDecoder()
        var content: [UInt8] = []
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { scratch.deallocate() }
        var rest = bytes[...]
        while true {
            let outcome = rest.withUnsafeBytes { rest in
                Result { () throws(CompressionError) in try decoder.decode(rest, into: scratch) }
            }
            let step = try outcome.get()
            if step.consumed == 0, step.produced == 0 { break }
            rest = rest.dropFirst(step.consumed)
            content += scratch[..<step.produced]
            guard content.count <= bytesMax else {
                throw CompressionError(
                    code: .damaged, message: "unpacks to more than the \(bytesMax) bytes that are expected",
                    offset: Int64(bytes.count - rest.count))
            }
        }
        try decoder.finish()
        return content
    }
}
