import BolsterDataset
import BolsterRecords

/// Makes the files of one merged sample, in the order in which they stand in the dataset's tars: image, txt,
/// url.txt, syn.json, paug.json, npz or pth.gz, json. The published names and both published layouts are
/// spelled here and nowhere else.
struct SampleFiles {
    struct File {
        var name: String
        var bytes: [UInt8]
    }

    /// What becomes of a sample.
    enum Outcome {
        case merged([File])
        case skipped(StageID, Skip)
        case missing
    }

    let configuration: MergeConfiguration
    private let settings: Manifest.MergeSettings
    private let captioners: [Manifest.CaptionerSettings]

    init(_ configuration: MergeConfiguration) {
        self.configuration = configuration
        settings = configuration.manifest.merge
        captioners = configuration.manifest.captioners
    }

    /// Throws `badRecords` where the records contradict the manifest or the sample.
    func outcome(_ sample: Sample, _ records: ChunkRecords, index: Int) throws(MergerError) -> Outcome {
        for stage in configuration.required {
            guard let stageRecords = records.stages[stage.id] else { return .missing }
            if let skip = stageRecords.file.skips[index] { return .skipped(stage.id, skip) }
        }
        let texts = sample.texts
        if settings.layout == .datacompdr, configuration.isRequired(.groundTruth), texts.isEmpty {
            return .skipped(
                .groundTruth, Skip(reason: "no_text", detail: "the sample has no text of its own"))
        }
        return .merged(try files(sample, texts: texts, SampleRecords(records: records, index: index)))
    }

    private func files(
        _ sample: Sample, texts: [String], _ records: SampleRecords
    ) throws(MergerError) -> [File] {
        var files: [File] = []
        func append(_ extensionName: String, _ bytes: [UInt8]) {
            files.append(File(name: "\(sample.key).\(extensionName)", bytes: bytes))
        }
        if settings.images == .include, let image = sample.image {
            append(Self.imageExtension(image), image.bytes)
        }
        if let text = texts.first { append("txt", Array(text.utf8)) }
        if let url = Self.url(of: sample) { append("url.txt", url) }

        var captions: [JSONValue.Field] = []
        for captioner in captioners {
            guard
                let list = try records.json(.captions(column: captioner.column), "captions", key: sample.key)
            else { continue }
            captions.append(JSONValue.Field(captioner.column, list))
        }
        if !captions.isEmpty { append("syn.json", PythonJSON.bytes(of: .object(captions))) }

        if let parameters = try records.json(.views, "param_aug", key: sample.key) {
            append("paug.json", PythonJSON.bytes(of: .object([JSONValue.Field("param_aug", parameters)])))
        }
        let matrices = try self.matrices(sample, texts: texts, captions: captions, records)
        if !matrices.isEmpty {
            switch settings.embeddings {
            case .npz: append("npz", NumpyArchive.bytes(of: matrices))
            case .pthGz: append("pth.gz", TorchArchive.bytes(of: matrices))
            }
        }
        if let json = sample.member("json") { append("json", json.bytes) }
        return files
    }

    // MARK: Embeddings

    private func matrices(
        _ sample: Sample, texts: [String], captions: [JSONValue.Field], _ records: SampleRecords
    ) throws(MergerError) -> [EmbeddingMatrix] {
        guard let ensemble = configuration.manifest.ensemble else { return [] }
        func checked(
            _ matrix: EmbeddingMatrix, rows: Int, of what: String
        ) throws(MergerError) -> EmbeddingMatrix {
            guard matrix.rows == rows, matrix.width == configuration.embeddingWidth else {
                throw MergerError(
                    .badRecords,
                    "the records hold \(matrix.rows) rows of \(matrix.width) for \(rows) \(what) of "
                        + "\(configuration.embeddingWidth) numbers each", evidence: [sample.key])
            }
            return matrix
        }
        var matrices: [EmbeddingMatrix] = []
        if let views = records.matrix(.views, "image_emb", named: "image_emb") {
            matrices.append(try checked(views, rows: ensemble.views, of: "views"))
        }
        var own: EmbeddingMatrix?
        if let matrix = records.matrix(.groundTruth, "text_emb", named: "text_emb") {
            own = try checked(matrix, rows: texts.count, of: "texts")
        }
        var synthetic: [EmbeddingMatrix] = []
        for field in captions {
            let stage = StageID.texts(column: field.name)
            guard let matrix = records.matrix(stage, "text_emb", named: "\(field.name)_emb") else { continue }
            let count = field.value.strings?.count ?? 0
            synthetic.append(try checked(matrix, rows: count, of: "captions of \(field.name)"))
        }
        switch settings.layout {
        case .split:
            if let own { matrices.append(own) }
            return matrices + synthetic
        case .datacompdr:
            guard let joined = Self.joined(own?.firstRow, synthetic) else { return matrices }
            return matrices + [joined]
        }
    }

    /// `text_emb` of the published layout: the first own text, then every captioner's captions.
    private static func joined(_ own: EmbeddingMatrix?, _ synthetic: [EmbeddingMatrix]) -> EmbeddingMatrix? {
        let parts = (own.map { [$0] } ?? []) + synthetic
        guard let first = parts.first else { return nil }
        return EmbeddingMatrix(
            name: "text_emb", rows: parts.reduce(0) { $0 + $1.rows }, width: first.width, type: first.type,
            bytes: parts.flatMap(\.bytes))
    }

    // MARK: What comes from the source

    /// Its own extension where a trainer looks for it, otherwise its format's.
    private static func imageExtension(_ image: Member) -> String {
        if ImageFormat.extensions.contains(image.extension) { return image.extension }
        switch ImageFormat(magicOf: image.bytes) {
        case .jpeg, nil: return "jpg"
        case .png: return "png"
        case .webp: return "webp"
        }
    }

    /// The member `url.txt`, or the field "url" of the `json` member.
    private static func url(of sample: Sample) -> [UInt8]? {
        if let member = sample.member("url.txt") { return member.bytes }
        guard let json = sample.member("json") else { return nil }
        do {
            guard case .string(let url)? = try JSONValue(parsing: json.bytes)["url"] else { return nil }
            return Array(url.utf8)
        } catch {
            // The source's JSON is copied as it is, valid or not; there is no address in it.
            return nil
        }
    }
}

/// One sample's values in all stages. A stage that has skipped the sample has none.
private struct SampleRecords {
    let records: ChunkRecords
    let index: Int

    private func stage(_ id: StageID) -> ChunkRecords.StageRecords? {
        guard let stage = records.stages[id], stage.file.skips[index] == nil else { return nil }
        return stage
    }

    func matrix(_ id: StageID, _ column: String, named name: String) -> EmbeddingMatrix? {
        stage(id)?.matrix(column, index, named: name)
    }

    /// The list in a text column.
    func json(_ id: StageID, _ column: String, key: String) throws(MergerError) -> JSONValue? {
        guard let stage = stage(id), let text = stage.text(column, index) else { return nil }
        do {
            let value = try JSONValue(parsing: Array(text.utf8))
            if case .array = value { return value }
        } catch {
            throw MergerError(.badRecords, "\(stage.path): column \(column) of \(key)", cause: error)
        }
        throw MergerError(.badRecords, "\(stage.path): column \(column) holds no list", evidence: [key])
    }
}

extension EmbeddingMatrix {
    /// The first row alone; the same where there is none.
    fileprivate var firstRow: EmbeddingMatrix {
        let count = min(rows, 1)
        return EmbeddingMatrix(
            name: name, rows: count, width: width, type: type,
            bytes: Array(bytes[..<(count * width * type.size)]))
    }
}
