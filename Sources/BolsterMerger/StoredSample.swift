import BolsterDataset
import BolsterRecords
import BolsterStorage

/// One sample of a dataset with what its embeddings were computed from.
package struct StoredSample: Sendable {
    package var shard: String
    package var key: String
    /// The image's bytes; nil where neither the dataset nor the source has one.
    package var image: [UInt8]?
    /// `param_aug` as JSON, a list; nil where there is none.
    package var parameters: String?
    /// The matrices with the texts of their rows; `image_emb` has none. A row whose text the dataset does not
    /// hold is left out.
    package var matrices: [(matrix: EmbeddingMatrix, texts: [String])]
}

/// Takes samples out of a dataset at equal distances, for a check that is too costly for all of them.
package struct DatasetSampling {
    private let directory: String
    private let sources: [String: Shard]

    /// - Parameter sources: where images are taken from that the dataset omits.
    package init(directory: String, sources: [Shard]) {
        self.directory = directory
        self.sources = Dictionary(sources.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// At most `count` samples, in the dataset's order.
    package func samples(_ count: Int) throws -> [StoredSample] {
        let dataset = ObjectStore(root: directory)
        let terms = try DatasetTerms(info: try dataset.read("info.json"))
        let total = terms.lengths.values.reduce(0, +)
        let wanted = Set((0..<min(count, total)).map { $0 * total / min(count, total) })
        var samples: [StoredSample] = []
        var position = 0
        for file in terms.lengths.keys.sorted() {
            let length = terms.lengths[file] ?? 0
            defer { position += length }
            guard (position..<(position + length)).contains(where: wanted.contains) else { continue }
            let shard = String(file.dropLast(terms.ending.count))
            var reader = try DatasetShardReader(file, in: dataset, terms: terms)
            var index = position
            while let sample = try reader.next() {
                if wanted.contains(index) { samples.append(try stored(sample, shard: shard, terms: terms)) }
                index += 1
            }
        }
        return samples
    }

    private func stored(_ sample: Sample, shard: String, terms: DatasetTerms) throws -> StoredSample {
        let captions = try sample.member("syn.json").map { try JSONValue(parsing: $0.bytes) }
        let parameters = try sample.member("paug.json").map { try JSONValue(parsing: $0.bytes) }
        var stored = StoredSample(
            shard: shard, key: sample.key, image: sample.image?.bytes,
            parameters: parameters?["param_aug"].map { PythonJSON.text(of: $0) }, matrices: [])
        if stored.image == nil, let source = sources[shard] {
            stored.image = try image(of: sample.key, in: source)
        }
        let own = sample.member("txt").map { [String(decoding: $0.bytes, as: UTF8.self)] } ?? []
        for matrix in try matrices(of: sample, terms) {
            switch matrix.name {
            case "image_emb": stored.matrices.append((matrix, []))
            case "text_emb" where terms.layout == "datacompdr":
                stored.matrices.append((matrix, own + (captions.map(Self.texts) ?? [])))
            case "text_emb": stored.matrices.append((matrix.first(own.count), own))
            default:
                let column = String(matrix.name.dropLast("_emb".count))
                stored.matrices.append((matrix, captions?[column]?.strings ?? []))
            }
        }
        return stored
    }

    /// All captions in the stored order.
    private static func texts(_ captions: JSONValue) -> [String] {
        guard case .object(let fields) = captions else { return [] }
        return fields.flatMap { $0.value.strings ?? [] }
    }

    private func matrices(of sample: Sample, _ terms: DatasetTerms) throws -> [EmbeddingMatrix] {
        guard let member = sample.member(terms.embeddingsFile) else { return [] }
        return terms.embeddingsFile == "npz"
            ? try NumpyArchive.matrices(of: member.bytes, name: member.name)
            : try TorchArchive.matrices(of: member.bytes, name: member.name)
    }

    private func image(of key: String, in shard: Shard) throws -> [UInt8]? {
        var source = try ByteReader(opening: shard.location)
        var reader = SampleReader(shard: shard.location)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            while let sample = try reader.next() {
                if sample.key.utf8.elementsEqual(key.utf8) { return sample.image?.bytes }
            }
            let count = try source.read(into: buffer)
            if count == 0 { return nil }
            reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}
