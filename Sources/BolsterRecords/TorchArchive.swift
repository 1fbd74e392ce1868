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

    /// The matrices of an archive that this type or PyTorch wrote: a dictionary of bf16 or fp32 tensors of
    /// two dimensions. Another one is refused as `malformed`.
    package static func matrices(of archive: [UInt8], name: String) throws(RecordsError) -> [EmbeddingMatrix]
    {
        let zip: [UInt8]
        do {
            zip = try Gzip.decompressed(archive, bytesMax: 1 << 30)
        } catch {
            throw RecordsError(.malformed, "\(name): \(error)")
        }
        let members = try ZipReader(zip, name: name).members
        // The folder is "archive", or the name of the file that was saved to.
        guard let pickle = members.first(where: { $0.name.hasSuffix("/data.pkl") }) else {
            throw RecordsError(.malformed, "\(name): the archive has no data.pkl")
        }
        let folder = pickle.name.dropLast("data.pkl".count)
        guard let tensors = TorchPickle.tensors(in: pickle.content) else {
            throw RecordsError(.malformed, "\(name): data.pkl is no dictionary of bf16 or fp32 matrices")
        }
        var matrices: [EmbeddingMatrix] = []
        for tensor in tensors {
            let storage = members.first { $0.name == "\(folder)data/\(tensor.storage)" }
            guard let bytes = storage.flatMap({ Self.bytes(of: tensor, in: $0.content) }) else {
                throw RecordsError(
                    .malformed, "\(name): the storage of \(tensor.name) has another size than its shape")
            }
            matrices.append(
                EmbeddingMatrix(
                    name: tensor.name, rows: tensor.rows, width: tensor.width, type: tensor.type, bytes: bytes
                ))
        }
        return matrices
    }

    /// A tensor's numbers row by row; nil where its storage does not hold them.
    private static func bytes(of tensor: TorchPickle.Tensor, in storage: [UInt8]) -> [UInt8]? {
        let size = tensor.type.size
        guard tensor.rows > 0, tensor.width > 0 else { return [] }
        let last = tensor.offset + (tensor.rows - 1) * tensor.stride + tensor.width
        guard last * size <= storage.count, tensor.rows * tensor.width * size <= storage.count else {
            return nil
        }
        if tensor.stride == tensor.width { return Array(storage[(tensor.offset * size)..<(last * size)]) }
        return (0..<tensor.rows).flatMap { row in
            let start = (tensor.offset + row * tensor.stride) * size
            return storage[start..<(start + tensor.width * size)]
        }
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
/// tensors needs. Nothing is memoised.
private struct PickleWriter {
    private static let rebuild = Array("ctorch._utils\n_rebuild_tensor_v2\n".utf8)
    private static let storageType = Array("ctorch\nBFloat16Storage\n".utf8)
    private static let orderedDictionary = Array("ccollections\nOrderedDict\n".utf8)

    private var bytes: [UInt8] = [0x80, 2] + Array("}(".utf8)

    /// "name": torch._utils._rebuild_tensor_v2(storage, 0, (rows, width), (width, 1), False, OrderedDict())
    mutating func append(name: String, storage: Int, rows: Int, width: Int) {
        append(text: name)
        bytes += Self.rebuild
        bytes += Array("(".utf8)
        bytes += Array("(".utf8)
        append(text: "storage")
        bytes += Self.storageType
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
        bytes += Self.orderedDictionary
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
