import BolsterDataset
import BolsterRecords

/// What the samples of a published set look like. The sets do not say it themselves, so it is learned from
/// the first sample that is joined of each shard.
struct PublishedForm: Codable, Sendable, Equatable {
    struct Column: Codable, Sendable, Equatable {
        var name: String
        var captions: Int
        /// Whether the dataset holds their embeddings.
        var isEmbedded: Bool
    }

    /// "npz" or "pth.gz".
    var embeddings: String
    /// "datacompdr" or "split".
    var layout: String
    var views: Int
    /// One per teacher; empty where the norms do not tell.
    var teacherWidths: [Int]
    /// In stored order.
    var columns: [Column]

    /// - Parameter content: a file of the sample by its extension. Nil where it has no embeddings or captions
    ///   that can be read: then another sample has to tell.
    init?(_ content: (String) -> [UInt8]?) {
        let kinds: [Manifest.MergeSettings.Embeddings] = [.npz, .pthGz]
        guard let kind = kinds.first(where: { content($0.rawValue) != nil }),
            let matrices = Self.matrices(content(kind.rawValue) ?? [], kind),
            let views = matrices.first(where: { $0.name == "image_emb" }), views.rows > 0
        else { return nil }
        embeddings = kind.rawValue
        self.views = views.rows
        teacherWidths = Self.widths(Array(views.floats.prefix(views.width)))
        let names = Set(matrices.map(\.name))
        let isSplit = names.contains { $0.hasPrefix("syn_text") }
        layout = isSplit ? "split" : "datacompdr"
        let rows = matrices.first { $0.name == "text_emb" }?.rows ?? 0
        guard let captions = Self.captions(content("syn.json")) else { return nil }
        // The older layout has the captions' rows behind the own text's.
        var left = rows - 1
        columns = captions.map { name, count in
            guard !isSplit else {
                return Column(name: name, captions: count, isEmbedded: names.contains("\(name)_emb"))
            }
            left -= count
            return Column(name: name, captions: count, isEmbedded: left >= 0)
        }
    }

    private static func matrices(
        _ bytes: [UInt8], _ kind: Manifest.MergeSettings.Embeddings
    ) -> [EmbeddingMatrix]? {
        do {
            switch kind {
            case .npz: return try NumpyArchive.matrices(of: bytes, name: "npz")
            case .pthGz: return try TorchArchive.matrices(of: bytes, name: "pth.gz")
            }
        } catch {
            // `bolster verify` names the sample; the join copies what is published.
            return nil
        }
    }

    /// Columns with the numbers of their captions; nil where the file is not as published.
    private static func captions(_ bytes: [UInt8]?) -> [(String, Int)]? {
        guard let bytes else { return [] }
        do {
            guard case .object(let fields) = try JSONValue(parsing: bytes) else { return nil }
            return fields.compactMap { field in field.value.strings.map { (field.name, $0.count) } }
        } catch {
            return nil
        }
    }

    /// Every teacher's part of a row has length 1, so the row's squared length is their number; parts are of
    /// equal width or not to be told.
    private static func widths(_ row: [Float]) -> [Int] {
        func squaredLength(_ part: ArraySlice<Float>) -> Double {
            part.reduce(0) { $0 + Double($1) * Double($1) }
        }
        let whole = squaredLength(row[...])
        guard whole.isFinite, whole > 0.5, whole < 64.5 else { return [] }
        let count = Int(whole.rounded())
        guard row.count.isMultiple(of: count) else { return [] }
        let width = row.count / count
        let isEqual = (0..<count).allSatisfy { part in
            abs(squaredLength(row[(part * width)..<((part + 1) * width)]) - 1) < 0.05
        }
        return isEqual ? Array(repeating: width, count: count) : []
    }
}
