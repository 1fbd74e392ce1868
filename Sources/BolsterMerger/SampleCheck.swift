import BolsterDataset
import BolsterRecords

/// Checks the files of one sample of a dataset against what the dataset promises.
struct SampleCheck {
    let terms: DatasetTerms
    let shard: String
    private(set) var faults: [VerifyReport.Fault] = []
    /// The largest difference of a teacher's vector from length 1.
    private(set) var normErrorMax = 0.0

    init(terms: DatasetTerms, shard: String) {
        self.terms = terms
        self.shard = shard
    }

    mutating func check(_ sample: Sample) {
        func fault(_ code: String, _ message: String) {
            faults.append(.init(code: code, shard: shard, key: sample.key, message: message))
        }
        if terms.includesImages {
            let image = sample.members.first { ImageFormat.extensions.contains($0.extension) }
            if image == nil {
                fault("no_image", "there is no jpg, jpeg, png or webp")
            } else if let image, ImageFormat(magicOf: image.bytes) == nil {
                fault("no_image", "\(image.name) does not begin like a JPEG, PNG or WebP")
            }
        }
        if terms.layout == "datacompdr", sample.member("txt") == nil { fault("no_text", "there is no txt") }
        if let text = sample.member("txt"), String(validating: text.bytes, as: UTF8.self) == nil {
            fault("bad_text", "txt is not UTF-8")
        }
        if let json = sample.member("json"), Self.parsed(json) == nil {
            fault("bad_json", "json does not parse")
        }
        let captions = checkCaptions(sample)
        checkParameters(sample, image: sample.image.flatMap { ImageHeader($0.bytes) })
        checkEmbeddings(sample, captions: captions)
    }

    private mutating func fault(_ code: String, _ sample: Sample, _ message: String) {
        faults.append(.init(code: code, shard: shard, key: sample.key, message: message))
    }

    private static func parsed(_ member: Member) -> JSONValue? { parsed(member.bytes) }

    private static func parsed(_ bytes: [UInt8]) -> JSONValue? {
        do {
            return try JSONValue(parsing: bytes)
        } catch {
            return nil
        }
    }

    /// Column to number of captions.
    private mutating func checkCaptions(_ sample: Sample) -> [String: Int] {
        guard let member = sample.member("syn.json") else {
            if terms.requiresAll, !terms.captioners.isEmpty {
                fault("no_captions", sample, "there is no syn.json")
            }
            return [:]
        }
        guard case .object(let fields)? = Self.parsed(member) else {
            fault("bad_captions", sample, "syn.json is no JSON object")
            return [:]
        }
        var counts: [String: Int] = [:]
        for (column, expected) in terms.captioners {
            guard let value = fields.last(where: { $0.name == column })?.value else {
                if terms.requiresAll { fault("no_captions", sample, "syn.json has no \(column)") }
                continue
            }
            guard let texts = value.strings, texts.count == expected else {
                fault("bad_captions", sample, "\(column) is not a list of \(expected) strings")
                continue
            }
            counts[column] = texts.count
        }
        return counts
    }

    private mutating func checkParameters(_ sample: Sample, image: ImageHeader?) {
        guard let views = terms.views else { return }
        guard let member = sample.member("paug.json") else {
            if terms.requiresAll { fault("no_parameters", sample, "there is no paug.json") }
            return
        }
        var value = Self.parsed(member)?["param_aug"]
        if terms.packsParameters, case .string(let text)? = value { value = Self.parsed(Array(text.utf8)) }
        let list = value?.values ?? []
        guard list.count == views else {
            fault("bad_parameters", sample, "param_aug is not a list of \(views) views")
            return
        }
        for (view, parameters) in list.enumerated() {
            if let mistake = terms.parameters.mistake(in: parameters, of: image) {
                fault("bad_parameters", sample, "view \(view): \(mistake)")
                return
            }
        }
    }

    // MARK: Embeddings

    private mutating func checkEmbeddings(_ sample: Sample, captions: [String: Int]) {
        guard let views = terms.views else { return }
        guard let member = sample.member(terms.embeddingsFile) else {
            if terms.requiresAll { fault("no_embeddings", sample, "there is no \(terms.embeddingsFile)") }
            return
        }
        let matrices: [EmbeddingMatrix]
        do throws(RecordsError) {
            matrices =
                terms.embeddingsFile == "npz"
                ? try NumpyArchive.matrices(of: member.bytes, name: member.name)
                : try TorchArchive.matrices(of: member.bytes, name: member.name)
        } catch {
            fault("bad_embeddings", sample, error.message)
            return
        }
        let faultsBefore = faults.count
        for (name, rows) in expectedRows(sample, views: views, captions: captions) {
            guard let matrix = matrices.first(where: { $0.name == name }) else {
                if terms.requiresAll { fault("bad_shape", sample, "\(name) is missing") }
                continue
            }
            guard matrix.width == terms.width, rows.contains(matrix.rows) else {
                fault(
                    "bad_shape", sample,
                    "\(name) is [\(matrix.rows), \(matrix.width)], not [\(rows.lowerBound), \(terms.width)]")
                continue
            }
            checkNumbers(matrix, sample)
        }
        if faults.count == faultsBefore { checkScores(sample, matrices, captions: captions) }
    }

    /// The scores in the `json` are those of the embeddings beside it.
    private mutating func checkScores(
        _ sample: Sample, _ matrices: [EmbeddingMatrix], captions: [String: Int]
    ) {
        guard let json = sample.member("json"), let stored = Self.parsed(json)?[CaptionScores.field],
            let views = matrices.first(where: { $0.name == "image_emb" })
        else { return }
        // The published layout has all texts in one matrix: the own text, then the columns in stored order.
        var texts: [(name: String, matrix: EmbeddingMatrix)] = []
        if terms.layout == "datacompdr" {
            guard let all = matrices.first(where: { $0.name == "text_emb" }) else { return }
            texts = [(CaptionScores.own, all.first(1))]
        } else {
            texts = matrices.compactMap { matrix in
                if matrix.name == "text_emb" { return (CaptionScores.own, matrix) }
                let column = String(matrix.name.dropLast("_emb".count))
                return captions[column] == nil ? nil : (column, matrix)
            }
        }
        guard
            let scores = CaptionScores(views: views, texts: texts, teachers: terms.teacherWidths.count)
        else { return }
        for (column, values) in scores.columns {
            let told = stored[column]?.values.map { value -> Double in
                if case .number(let text) = value { return Double(text) ?? .nan }
                return .nan
            }
            let isClose = { (pair: (Double, Double)) in abs(pair.0 - pair.1) <= DatasetTerms.scoreTolerance }
            guard let told, told.count >= values.count, zip(told, values).allSatisfy(isClose) else {
                fault("bad_score", sample, "the scores of \(column) are not those of its embeddings")
                return
            }
        }
    }

    /// Matrix to the numbers of rows it may have.
    private func expectedRows(_ sample: Sample, views: Int, captions: [String: Int]) -> [(
        String, ClosedRange<Int>
    )] {
        var rows: [(String, ClosedRange<Int>)] = [("image_emb", views...views)]
        let embedded = captions.filter { terms.embedded.contains($0.key) }.sorted { $0.key < $1.key }
        switch terms.layout {
        case "datacompdr":
            let all = 1 + embedded.reduce(0) { $0 + $1.value }
            rows.append(("text_emb", (terms.requiresAll ? all : 1)...all))
        default:
            // `txt` is the first of several texts.
            rows.append(("text_emb", sample.member("txt") == nil ? 0...0 : 1...RecordLimits.rowsMax))
            for (column, count) in embedded { rows.append(("\(column)_emb", count...count)) }
        }
        return rows
    }

    private mutating func checkNumbers(_ matrix: EmbeddingMatrix, _ sample: Sample) {
        let values = matrix.floats
        for row in 0..<matrix.rows {
            var start = row * matrix.width
            for (teacher, width) in terms.teacherWidths.enumerated() {
                var sum = 0.0
                for value in values[start..<(start + width)] { sum += Double(value) * Double(value) }
                start += width
                guard sum.isFinite else {
                    fault(
                        "not_finite", sample,
                        "\(matrix.name)[\(row)] of teacher \(teacher) has a number that is none")
                    continue
                }
                let difference = abs(sum.squareRoot() - 1)
                normErrorMax = max(normErrorMax, difference)
                if difference > terms.normTolerance {
                    fault(
                        "bad_norm", sample,
                        "\(matrix.name)[\(row)] of teacher \(teacher) has length \(sum.squareRoot()), not 1")
                }
            }
        }
    }
}
