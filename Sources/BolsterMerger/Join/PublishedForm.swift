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
        teacherWidths = Self.widths(matrices.filter { $0.width == views.width }, width: views.width)
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

    /// How far a part's squared length may be from 1: numbers in bf16 are off by up to 1/512 each.
    private static let lengthTolerance = 0.02

    /// Every teacher's part of a row has length 1, so the squared length of what lies before a teacher's part
    /// is a whole number in all rows. Places near a border fulfil that as well, for one number of a thousand
    /// adds next to nothing: parts of equal width are taken before others, then the place that is divided by
    /// the highest power of two, as widths are.
    private static func widths(_ matrices: [EmbeddingMatrix], width: Int) -> [Int] {
        // The squared length of each row up to each number.
        let lengths = matrices.flatMap { matrix -> [[Double]] in
            let values = matrix.floats
            return (0..<matrix.rows).map { row in
                var sum = 0.0
                return [0]
                    + values[(row * width)..<((row + 1) * width)].map { value in
                        sum += Double(value) * Double(value)
                        return sum
                    }
            }
        }
        guard let whole = lengths.first?.last, whole.isFinite, whole > 0.5, whole < 64.5 else { return [] }
        let count = Int(whole.rounded())
        func isBorder(_ place: Int, after teachers: Int) -> Bool {
            lengths.allSatisfy { abs($0[place] - Double(teachers)) < lengthTolerance * Double(teachers) }
        }
        var borders = [0]
        for teacher in 1..<max(count, 1) {
            let equal = width.isMultiple(of: count) ? teacher * (width / count) : 0
            let places = (borders[teacher - 1]..<width).filter { isBorder($0, after: teacher) }
            let roundest = places.max { $0.trailingZeroBitCount < $1.trailingZeroBitCount }
            guard let border = places.contains(equal) ? equal : roundest else { return [] }
            borders.append(border)
        }
        guard isBorder(width, after: count) else { return [] }
        return zip(borders, borders.dropFirst() + [width]).map { $1 - $0 }
    }
}
