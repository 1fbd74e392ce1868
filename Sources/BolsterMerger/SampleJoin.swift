import BolsterDataset
import BolsterRecords

/// Joins one source sample with its records: says what becomes of it, and makes what the dataset holds of it.
struct SampleJoin {
    /// What becomes of a sample.
    enum Outcome {
        case merged(MergedSample)
        /// Not selected; the reason is the manifest's key.
        case excluded(String)
        case skipped(StageID, Skip)
        case missing
    }

    let configuration: MergeConfiguration
    private let settings: Manifest.MergeSettings
    private let captioners: [Manifest.CaptionerSettings]

    init(_ configuration: MergeConfiguration) {
        self.configuration = configuration
        settings = configuration.manifest.merge
        captioners = configuration.manifest.mergedCaptioners
    }

    /// Throws `badRecords` where the records contradict the manifest or the sample.
    func outcome(_ sample: Sample, _ records: ChunkRecords, index: Int) throws(MergerError) -> Outcome {
        var sample = sample
        let facts = Self.facts(of: &sample)
        if let keep = configuration.keep, !keep.takes(sample) { return .excluded("keep_uids") }
        let isUnselected = configuration.required.contains { stage in
            records.stages[stage.id]?.file.skips[index]?.reason == SampleSelection.reason
        }
        if isUnselected { return .excluded("input.keep") }
        for stage in configuration.required {
            guard let stageRecords = records.stages[stage.id] else { return .missing }
            if let skip = stageRecords.file.skips[index] { return .skipped(stage.id, skip) }
        }
        let texts = sample.texts
        if settings.layout == .datacompdr, configuration.isRequired(.groundTruth), texts.isEmpty {
            return .skipped(
                .groundTruth, Skip(reason: "no_text", detail: "the sample has no text of its own"))
        }
        let merged = try join(
            sample, facts: facts, texts: texts, SampleRecords(records: records, index: index))
        if let least = settings.minimumScore {
            guard let score = merged.scores?.ofSample, score >= least else {
                return .excluded("minimum_score")
            }
        }
        return .merged(merged)
    }

    private func join(
        _ sample: Sample, facts: JSONValue?, texts: [String], _ records: SampleRecords
    ) throws(MergerError) -> MergedSample {
        var merged = MergedSample(key: sample.key)
        if settings.images == .include { merged.image = sample.image }
        merged.texts = texts
        merged.url = sample.member("url.txt")?.bytes ?? facts?["url"]?.text.map { Array($0.utf8) }
        merged.json = sample.member("json")?.bytes
        merged.facts = facts
        for captioner in captioners {
            guard
                let list = try records.list(.captions(column: captioner.column), "captions", key: sample.key)
            else { continue }
            merged.captions.append(JSONValue.Field(captioner.column, .array(list)))
        }
        if let views = try records.list(.views, "param_aug", key: sample.key) {
            merged.parameters = .array(Array(views.prefix(configuration.manifest.mergedViews ?? 0)))
        }
        try addEmbeddings(to: &merged, records)
        return merged
    }

    /// The `json` member's value; nil where there is none, or none that parses. What is nearly JSON, such as
    /// Python's NaN, is made JSON in the sample too: a trainer that reads it need not be Python.
    private static func facts(of sample: inout Sample) -> JSONValue? {
        guard let place = sample.members.firstIndex(where: { $0.extension == "json" }) else { return nil }
        if let value = value(sample.members[place].bytes) { return value }
        // What says nothing is copied as it is.
        guard let standard = RepairedJSON.standard(sample.members[place].bytes) else { return nil }
        sample.members[place].bytes = standard
        return value(standard)
    }

    private static func value(_ json: [UInt8]) -> JSONValue? {
        do {
            return try JSONValue(parsing: json)
        } catch {
            return nil
        }
    }

    // MARK: Embeddings

    private func addEmbeddings(to merged: inout MergedSample, _ records: SampleRecords) throws(MergerError) {
        guard let ensemble = configuration.manifest.ensemble else { return }
        let key = merged.key
        func checked(
            _ matrix: EmbeddingMatrix, rows: Int, of what: String
        ) throws(MergerError) -> EmbeddingMatrix {
            guard matrix.rows == rows, matrix.width == configuration.embeddingWidth else {
                throw MergerError(
                    .badRecords,
                    "the records hold \(matrix.rows) rows of \(matrix.width) for \(rows) \(what) of "
                        + "\(configuration.embeddingWidth) numbers each", evidence: [key])
            }
            return matrix
        }
        var views: EmbeddingMatrix?
        if let matrix = records.matrix(.views, "image_emb", named: "image_emb") {
            let merged = configuration.manifest.mergedViews ?? ensemble.views
            views = try checked(matrix, rows: ensemble.views, of: "views").first(merged)
        }
        var texts: [(name: String, matrix: EmbeddingMatrix)] = []
        if let matrix = records.matrix(.groundTruth, "text_emb", named: "text_emb") {
            texts.append((CaptionScores.own, try checked(matrix, rows: merged.texts.count, of: "texts")))
        }
        for field in merged.captions {
            let stage = StageID.texts(column: field.name)
            guard let matrix = records.matrix(stage, "text_emb", named: "\(field.name)_emb") else { continue }
            let count = field.value.values.count
            texts.append((field.name, try checked(matrix, rows: count, of: "captions of \(field.name)")))
        }
        if let views {
            merged.scores = CaptionScores(
                views: views, texts: texts, teachers: configuration.teachers.count)
        }
        merged.matrices = (views.map { [$0] } ?? []) + laidOut(texts)
    }

    /// The texts' embeddings in the dataset's layout.
    private func laidOut(_ texts: [(name: String, matrix: EmbeddingMatrix)]) -> [EmbeddingMatrix] {
        switch settings.layout {
        case .split: return texts.map(\.matrix)
        case .datacompdr:
            // The first own text, then every captioner's captions.
            let parts = texts.map { $0.name == CaptionScores.own ? $0.matrix.first(1) : $0.matrix }
            guard let first = parts.first else { return [] }
            return [
                EmbeddingMatrix(
                    name: "text_emb", rows: parts.reduce(0) { $0 + $1.rows }, width: first.width,
                    type: first.type, bytes: parts.flatMap(\.bytes))
            ]
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
    func list(_ id: StageID, _ column: String, key: String) throws(MergerError) -> [JSONValue]? {
        guard let stage = stage(id), let text = stage.text(column, index) else { return nil }
        do {
            if case .array(let values) = try JSONValue(parsing: Array(text.utf8)) { return values }
        } catch {
            throw MergerError(.badRecords, "\(stage.path): column \(column) of \(key)", cause: error)
        }
        throw MergerError(.badRecords, "\(stage.path): column \(column) holds no list", evidence: [key])
    }
}

extension EmbeddingMatrix {
    /// The first rows, at most `count`.
    func first(_ count: Int) -> EmbeddingMatrix {
        if count >= rows { return self }
        return EmbeddingMatrix(
            name: name, rows: count, width: width, type: type,
            bytes: Array(bytes[..<(count * width * type.size)]))
    }
}
