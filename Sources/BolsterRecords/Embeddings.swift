/// One named matrix of a sample's embeddings, [rows, width].
package struct EmbeddingMatrix: Sendable, Equatable {
    /// "image_emb", "text_emb" or "syn_text…_emb".
    package var name: String
    package var rows: Int
    package var width: Int
    package var type: TensorType
    /// rows · width · type.size bytes, little-endian.
    package var bytes: [UInt8]

    package init(name: String, rows: Int, width: Int, type: TensorType, bytes: [UInt8]) {
        precondition(
            bytes.count == rows * width * type.size,
            "\(name): \(bytes.count) bytes do not make \(rows) rows of \(width) in \(type)")
        self.name = name
        self.rows = rows
        self.width = width
        self.type = type
        self.bytes = bytes
    }

    /// The numbers as fp32.
    package var floats: [Float] {
        let widened = self.widened
        return [Float](unsafeUninitializedCapacity: rows * width) { out, count in
            widened.withUnsafeBytes { UnsafeMutableRawBufferPointer(out).copyMemory(from: $0) }
            count = rows * width
        }
    }

    /// The bytes as fp32.
    var widened: [UInt8] {
        switch type {
        case .fp32: bytes
        case .bf16: bytes.withUnsafeBytes { BFloat16.widened($0) }
        }
    }

    /// The bytes as bf16, rounded if they are fp32.
    var rounded: [UInt8] {
        switch type {
        case .bf16: bytes
        case .fp32: BFloat16.bytes(rounding: floats)
        }
    }
}

/// `npz` as `numpy.savez` lays it out: a stored ZIP archive of one `.npy` file (format 1.0, C order, `<f4`)
/// per matrix. bf16 is widened, exactly. Equal matrices give equal bytes.
package enum NumpyArchive {
    package static func bytes(of matrices: [EmbeddingMatrix]) -> [UInt8] {
        var zip = StoredZipWriter(capacity: matrices.reduce(64) { $0 + 512 + 4 * $1.rows * $1.width })
        for matrix in matrices {
            let header = header(rows: matrix.rows, width: matrix.width)
            let content = matrix.widened
            header.withUnsafeBytes { header in
                content.withUnsafeBytes { content in zip.append("\(matrix.name).npy", [header, content]) }
            }
        }
        return zip.finish()
    }

    /// The matrices of an archive, which must hold nothing but two-dimensional `<f4` arrays in C order.
    package static func matrices(of archive: [UInt8], name: String) throws(RecordsError) -> [EmbeddingMatrix]
    {
        var matrices: [EmbeddingMatrix] = []
        for member in try ZipReader(archive, name: name).members {
            guard member.name.hasSuffix(".npy") else {
                throw RecordsError(.malformed, "\(name): \(member.name) is no .npy array")
            }
            let bytes = member.content
            guard let shape = shape(of: bytes), bytes.count - shape.dataStart == 4 * shape.rows * shape.width
            else {
                throw RecordsError(
                    .malformed, "\(name): \(member.name) is not a complete <f4 array of two dimensions")
            }
            matrices.append(
                EmbeddingMatrix(
                    name: String(member.name.dropLast(4)), rows: shape.rows, width: shape.width, type: .fp32,
                    bytes: Array(bytes[shape.dataStart...])))
        }
        return matrices
    }

    /// Magic, version 1.0, length, and the dictionary, padded with spaces to a multiple of 64 bytes; NumPy
    /// also leaves room for the first dimension to grow to 21 digits.
    static func header(rows: Int, width: Int) -> [UInt8] {
        var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(width)), }"
        text += String(repeating: " ", count: 21 - String(rows).count)
        let unpadded = 10 + text.utf8.count + 1
        text += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
        var header: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        header.appendLittleEndian(UInt16(text.utf8.count))
        return header + Array(text.utf8)
    }

    private struct Shape {
        var rows: Int
        var width: Int
        var dataStart: Int
    }

    private static func shape(of npy: [UInt8]) -> Shape? {
        guard npy.count >= 10, npy.starts(with: [0x93] + Array("NUMPY".utf8) + [1, 0]) else { return nil }
        let dataStart = 10 + Int(npy.littleEndian(at: 8) as UInt16)
        guard dataStart <= npy.count else { return nil }
        let text = String(decoding: npy[10..<dataStart], as: UTF8.self)
        let prefix = "{'descr': '<f4', 'fortran_order': False, 'shape': ("
        guard text.hasPrefix(prefix), let close = text.firstIndex(of: ")") else { return nil }
        let sides = text[text.index(text.startIndex, offsetBy: prefix.count)..<close].split(separator: ",")
            .map { Int($0.filter { $0 != " " }) }
        guard sides.count == 2, let rows = sides[0], let width = sides[1], rows >= 0, width >= 0,
            rows < 1 << 24,
            width < 1 << 24
        else { return nil }
        return Shape(rows: rows, width: width, dataStart: dataStart)
    }
}
