import BolsterCompression

/// A gzipped pickle of one NumPy array, as the peer's JSONL files hold their embeddings (there in base64).
///
/// The pickle (protocol 3, `Lib/pickletools.py` names the opcodes) calls `numpy.ndarray((rows, width), "<f4",
/// bytes)`: a name that every version of NumPy has, unlike those that NumPy's own pickles call.
package enum NumpyPickle {
    package static func bytes(of matrix: EmbeddingMatrix) -> [UInt8] {
        Gzip.embeddings.compressed(pickle(of: matrix))
    }

    /// The matrix in a pickle that this type wrote; another one is refused as `malformed`.
    package static func matrix(of packed: [UInt8], name: String) throws(RecordsError) -> EmbeddingMatrix {
        let pickle: [UInt8]
        do {
            pickle = try Gzip.decompressed(packed, bytesMax: 1 << 30)
        } catch {
            throw RecordsError(.malformed, "\(name): \(error)")
        }
        let shape = prefix.count
        let start = shape + 11 + type.count + 5
        guard pickle.starts(with: prefix), pickle.count >= start + suffix.count else {
            throw RecordsError(.malformed, "\(name) is no pickle of an fp32 matrix")
        }
        let rows = Int(pickle.littleEndian(at: shape + 1) as Int32)
        let width = Int(pickle.littleEndian(at: shape + 6) as Int32)
        let count = pickle.count - start - suffix.count
        guard rows >= 0, width >= 0, count == 4 * rows * width else {
            throw RecordsError(.malformed, "\(name): \(count) bytes do not make [\(rows), \(width)]")
        }
        let bytes = Array(pickle[start..<(start + count)])
        let matrix = EmbeddingMatrix(name: name, rows: rows, width: width, type: .fp32, bytes: bytes)
        // Writing the same matrix again must give the same bytes: the strictest check there is.
        guard self.pickle(of: matrix) == pickle else {
            throw RecordsError(.malformed, "\(name) is no pickle of an fp32 matrix")
        }
        return matrix
    }

    private static let prefix: [UInt8] = [0x80, 3] + Array("cnumpy\nndarray\n(".utf8)
    private static let type: [UInt8] = [UInt8(ascii: "X"), 3, 0, 0, 0] + Array("<f4".utf8)
    private static let suffix = Array("tR.".utf8)

    static func pickle(of matrix: EmbeddingMatrix) -> [UInt8] {
        let content = matrix.widened
        var bytes = prefix
        bytes.reserveCapacity(content.count + 64)
        for side in [matrix.rows, matrix.width] {
            bytes.append(UInt8(ascii: "J"))
            bytes.appendLittleEndian(Int32(side))
        }
        bytes.append(0x86)
        bytes += type
        bytes.append(UInt8(ascii: "B"))
        bytes.appendLittleEndian(UInt32(content.count))
        bytes += content
        return bytes + suffix
    }
}

extension EmbeddingMatrix {
    /// The same numbers as bf16 holds them.
    package var roundedToBF16: EmbeddingMatrix {
        EmbeddingMatrix(name: name, rows: rows, width: width, type: .bf16, bytes: rounded)
    }
}
