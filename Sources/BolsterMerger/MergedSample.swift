import BolsterDataset
import BolsterRecords

/// Everything that a dataset holds of one sample, before it is encoded.
struct MergedSample {
    let key: String
    /// The source's image; nil with `images: omit` and where there is none.
    var image: Member?
    /// The sample's own texts, as they were embedded.
    var texts: [String] = []
    var url: [UInt8]?
    /// A list of strings per column.
    var captions: [JSONValue.Field] = []
    /// A list with one element per view.
    var parameters: JSONValue?
    var matrices: [EmbeddingMatrix] = []
    var scores: CaptionScores?
    /// The source's `json` as it was, and what it says; nil where there is none, or where it says nothing.
    var json: [UInt8]?
    var facts: JSONValue?

    /// The `json` with the scores as its last field. What is no JSON object stays as it is.
    var scoredJSON: [UInt8]? {
        guard let scores else { return json }
        let field = Array("\"\(CaptionScores.field)\": ".utf8) + PythonJSON.bytes(of: scores.json)
        guard let json else { return [UInt8(ascii: "{")] + field + [UInt8(ascii: "}")] }
        guard case .object(let fields)? = facts, let end = json.lastIndex(of: UInt8(ascii: "}")) else {
            return json
        }
        let comma: [UInt8] = fields.isEmpty ? [] : Array(", ".utf8)
        return json[..<end] + comma + field + json[end...]
    }
}

/// How well each text fits the image: the mean over views and teachers of the cosine between a view's and the
/// text's stored embedding, to four decimals.
///
/// The vectors have length 1, so that the mean of the cosines with all views is one product with the mean
/// view. Sums run in double precision and in a fixed order: equal records give equal scores.
struct CaptionScores: Equatable {
    /// What the scores are called in a sample's `json`.
    static let field = "caption_scores"
    /// The name of the sample's own texts among the columns.
    static let own = "text"

    /// "text" and the captioners' columns, each with a score per text.
    let columns: [(name: String, values: [Double])]

    /// - Parameters:
    ///   - views: [views, D].
    ///   - texts: [texts, D] each, by the name of their column.
    /// - Returns: nil where there is no view or no text.
    init?(views: EmbeddingMatrix, texts: [(name: String, matrix: EmbeddingMatrix)], teachers: Int) {
        guard views.rows > 0, teachers > 0 else { return nil }
        let width = views.width
        var mean = [Double](repeating: 0, count: width)
        views.floats.withUnsafeBufferPointer { values in
            for row in 0..<views.rows {
                for place in 0..<width { mean[place] += Double(values[row * width + place]) }
            }
        }
        let scale = 1 / Double(views.rows * teachers)
        columns = texts.compactMap { name, matrix in
            guard matrix.rows > 0, matrix.width == width else { return nil }
            let scores = matrix.floats.withUnsafeBufferPointer { values in
                (0..<matrix.rows).map { row in
                    var sum = 0.0
                    for place in 0..<width { sum += Double(values[row * width + place]) * mean[place] }
                    return Self.rounded(sum * scale)
                }
            }
            return (name, scores)
        }
        if columns.isEmpty { return nil }
    }

    /// What `merge.minimum_score` is compared with: the first own text's score, or the best caption's.
    var ofSample: Double? {
        if let own = columns.first(where: { $0.name == Self.own })?.values.first { return own }
        return columns.flatMap(\.values).max()
    }

    var json: JSONValue {
        .object(columns.map { .init($0.name, .array($0.values.map { .number("\($0)") })) })
    }

    private static func rounded(_ score: Double) -> Double {
        let rounded = (score * 10_000).rounded() / 10_000
        // Without a sign for zero.
        return rounded == 0 ? 0 : rounded
    }

    static func == (left: CaptionScores, right: CaptionScores) -> Bool {
        left.columns.elementsEqual(right.columns) { $0.name == $1.name && $0.values == $1.values }
    }
}
