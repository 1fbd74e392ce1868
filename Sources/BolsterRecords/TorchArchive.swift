import BolsterCompression

/// `pth.gz`: a gzipped `torch.save` archive of a dictionary from names to bf16 tensors on the CPU, as
/// `torch.load(weights_only=True)` reads it.
///
/// The archive is a stored ZIP: `archive/data.pkl`, a pickle (protocol 2) that rebuilds each tensor from a
/// storage named by number; `archive/byteorder`; one `archive/data/<number>` per storage, aligned to 64
/// bytes; and `archive/version` "3".
package enum TorchArchive {
    package static func bytes(of matrices: [EmbeddingMatrix]) -> [UInt8] {
        Gzip.embeddings.compressed(zip(of: matrices))
    }

    /// The matrices of an archive that this type wrote, or that PyTorch wrote in the same order: names and
    /// shapes come from our own pickle, so another one is refused as `malformed`.
    package static func matrices(of archive: [UInt8], name: String) throws(RecordsError) -> [EmbeddingMatrix]
    {
        let zip: [UInt8]
        do {
            zip = try Gzip.decompressed(archive, bytesMax: 1 << 30)
        } catch {
            throw RecordsError(.malformed, "\(name): \(error)")
        }
        let members = try StoredZipReader(zip, name: name).members
        guard let pickle = members.first(where: { $0.name == "archive/data.pkl" }) else {
            throw RecordsError(.malformed, "\(name): the archive has no archive/data.pkl")
        }
        guard let shapes = PickleReader.shapes(in: Array(zip[pickle.range])) else {
            throw RecordsError(.malformed, "\(name): data.pkl is not a dictionary of bf16 matrices")
        }
        var matrices: [EmbeddingMatrix] = []
        for (number, shape) in shapes.enumerated() {
            guard let storage = members.first(where: { $0.name == "archive/data/\(number)" }),
                storage.range.count == 2 * shape.rows * shape.width
            else {
                throw RecordsError(
                    .malformed, "\(name): the storage of \(shape.name) has another size than its shape")
            }
            matrices.append(
                EmbeddingMatrix(
                    name: shape.name, rows: shape.rows, width: shape.width, type: .bf16,
                    bytes: Array(zip[storage.range])))
        }
        return matrices
    }

    static func zip(of matrices: [EmbeddingMatrix]) -> [UInt8] {
        var zip = StoredZipWriter(capacity: matrices.reduce(2048) { $0 + 256 + 2 * $1.rows * $1.width })
        zip.append("archive/data.pkl", alignment: 64, pickle(of: matrices))
        zip.append("archive/byteorder", alignment: 64, Array("little".utf8))
        for (number, matrix) in matrices.enumerated() {
            zip.append("archive/data/\(number)", alignment: 64, matrix.rounded)
        }
        zip.append("archive/version", alignment: 64, Array("3\n".utf8))
        return zip.finish()
    }

    static func pickle(of matrices: [EmbeddingMatrix]) -> [UInt8] {
        var writer = PickleWriter()
        for (number, matrix) in matrices.enumerated() {
            writer.append(name: matrix.name, storage: number, rows: matrix.rows, width: matrix.width)
        }
        return writer.finish()
    }
}

/// The few opcodes of Python's pickle protocol 2 (`Lib/pickletools.py` names them all) that a dictionary of
/// tensors needs. Nothing is memoised, so a shape's text is the same whatever precedes it.
private struct PickleWriter {
    private var bytes: [UInt8] = [0x80, 2] + Array("}(".utf8)

    /// "name": torch._utils._rebuild_tensor_v2(storage, 0, (rows, width), (width, 1), False, OrderedDict())
    mutating func append(name: String, storage: Int, rows: Int, width: Int) {
        append(text: name)
        bytes += PickleReader.rebuild
        bytes += Array("(".utf8)
        bytes += Array("(".utf8)
        append(text: "storage")
        bytes += PickleReader.storageType
        append(text: String(storage))
        append(text: "cpu")
        append(integer: rows * width)
        bytes += Array("tQ".utf8)
        append(integer: 0)
        append(integer: rows)
        append(integer: width)
        bytes.append(0x86)
        append(integer: width)
        append(integer: 1)
        bytes += [0x86, 0x89]
        bytes += PickleReader.orderedDictionary
        bytes += Array(")RtR".utf8)
    }

    consuming func finish() -> [UInt8] { bytes + Array("u.".utf8) }

    private mutating func append(text: String) {
        bytes.append(UInt8(ascii: "X"))
        bytes.appendLittleEndian(UInt32(text.utf8.count))
        bytes += Array(text.utf8)
    }

    private mutating func append(integer: Int) {
        precondition((0...Int(Int32.max)).contains(integer), "\(integer) numbers are too many for one sample")
        bytes.append(UInt8(ascii: "J"))
        bytes.appendLittleEndian(Int32(integer))
    }
}

/// Reads back what `PickleWriter` writes, and nothing else.
private enum PickleReader {
    static let rebuild = Array("ctorch._utils\n_rebuild_tensor_v2\n".utf8)
    static let storageType = Array("ctorch\nBFloat16Storage\n".utf8)
    static let orderedDictionary = Array("ccollections\nOrderedDict\n".utf8)

    struct Shape {
        var name: String
        var rows: Int
        var width: Int
    }

    static func shapes(in pickle: [UInt8]) -> [Shape]? {
        var shapes: [Shape] = []
        var offset = 4
        while offset < pickle.count, pickle[offset] == UInt8(ascii: "X"), shapes.count < 1024 {
            guard offset + 5 <= pickle.count else { return nil }
            let nameEnd = offset + 5 + Int(pickle.littleEndian(at: offset + 1) as UInt32)
            guard nameEnd <= pickle.count else { return nil }
            let name = String(decoding: pickle[(offset + 5)..<nameEnd], as: UTF8.self)
            // Up to the shape only the storage's number varies in length.
            let fixed =
                rebuild.count + 2 + 12 + storageType.count + 5 + String(shapes.count).utf8.count + 8 + 5 + 2
                + 5
            let shapeStart = nameEnd + fixed
            guard shapeStart + 10 <= pickle.count else { return nil }
            let rows = Int(pickle.littleEndian(at: shapeStart + 1) as Int32)
            let width = Int(pickle.littleEndian(at: shapeStart + 6) as Int32)
            guard rows >= 0, width >= 0 else { return nil }
            shapes.append(Shape(name: name, rows: rows, width: width))
            offset = shapeStart + 10 + 1 + 10 + 2 + orderedDictionary.count + 4
        }
        // Writing the same dictionary again must give the same bytes: the strictest check there is.
        var writer = PickleWriter()
        for (number, shape) in shapes.enumerated() {
            guard shape.rows * shape.width <= Int(Int32.max) else { return nil }
            writer.append(name: shape.name, storage: number, rows: shape.rows, width: shape.width)
        }
        return writer.finish() == pickle ? shapes : nil
    }
}
