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

    /// One whole gzip member; refuses to grow beyond `bytesMax`.
    package static func decompressed(_ bytes: [UInt8], bytesMax: Int, name: String) throws(RecordsError)
        -> [UInt8]
    {
        var stream = z_stream()
        let begun = inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard begun == Z_OK else {
            fatalError("zlib cannot begin (\(begun)): out of memory, or of another version")
        }
        defer { inflateEnd(&stream) }
        var content: [UInt8] = []
        var scratch = [UInt8](repeating: 0, count: 1 << 16)
        var status = Z_OK
        bytes.withUnsafeBufferPointer { source in
            stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
            stream.avail_in = UInt32(source.count)
            while status == Z_OK && content.count <= bytesMax {
                let room = scratch.count
                let written = scratch.withUnsafeMutableBufferPointer { out in
                    stream.next_out = out.baseAddress
                    stream.avail_out = UInt32(room)
                    status = inflate(&stream, Z_NO_FLUSH)
                    return room - Int(stream.avail_out)
                }
                content += scratch[..<written]
            }
        }
        guard content.count <= bytesMax else {
            throw RecordsError(.malformed, "\(name) unpacks to more than \(bytesMax) bytes")
        }
        guard status == Z_STREAM_END, stream.avail_in == 0 else {
            throw RecordsError(.malformed, "\(name) is not one complete gzip member (zlib says \(status))")
        }
        return content
    }
}
