import BolsterDataset
import BolsterRecords

/// What a dataset card says in numbers. Counted per shard while it is merged, kept in its receipt, summed in
/// the shards' order.
package struct DatasetStatistics: Codable, Sendable, Equatable {
    /// The texts of one column.
    package struct Texts: Codable, Sendable, Equatable {
        package var texts = 0
        /// Runs of characters without blanks between them.
        package var words = 0
        /// Texts with a score, the sum of their scores, and how many have a score from −1 + i/10 up to the
        /// next tenth.
        package var scored = 0
        package var scoreSum = 0.0
        package var histogram = [Int](repeating: 0, count: 20)

        package init() {}

        package var meanWords: Double { texts == 0 ? 0 : Double(words) / Double(texts) }
        package var meanScore: Double? { scored == 0 ? nil : scoreSum / Double(scored) }

        static func += (left: inout Texts, right: Texts) {
            left.texts += right.texts
            left.words += right.words
            left.scored += right.scored
            left.scoreSum += right.scoreSum
            for index in left.histogram.indices { left.histogram[index] += right.histogram[index] }
        }

        enum CodingKeys: String, CodingKey {
            case texts, words, scored, histogram
            case scoreSum = "score_sum"
        }
    }

    /// Format to images.
    package var images: [String: Int] = [:]
    package var imageBytes: Int64 = 0
    /// "text" for the source's own, and the captioners' columns.
    package var columns: [String: Texts] = [:]
    /// Samples with more than one text of their own, and with none.
    package var severalTexts = 0
    package var withoutText = 0

    package init() {}

    mutating func append(_ sample: MergedSample) {
        if let image = sample.image { append(image: image.bytes.prefix(16), byteCount: image.bytes.count) }
        if sample.texts.count > 1 { severalTexts += 1 }
        if sample.texts.isEmpty { withoutText += 1 }
        append(texts: sample.texts, captions: sample.captions)
        for (column, scores) in sample.scores?.columns ?? [] {
            for score in scores {
                columns[column, default: Texts()].scored += 1
                columns[column, default: Texts()].scoreSum += score
                columns[column, default: Texts()].histogram[min(19, max(0, Int((score + 1) * 10)))] += 1
            }
        }
    }

    /// - Parameter image: its first bytes.
    mutating func append(image: some Sequence<UInt8>, byteCount: Int) {
        images[ImageFormat(magicOf: Array(image))?.rawValue ?? "unknown", default: 0] += 1
        imageBytes += Int64(byteCount)
    }

    /// - Parameter captions: the fields of a `syn.json`.
    mutating func append(texts: [String], captions: [JSONValue.Field]) {
        add(texts, to: CaptionScores.own)
        for field in captions { add(field.value.strings ?? [], to: field.name) }
    }

    private mutating func add(_ texts: [String], to column: String) {
        guard !texts.isEmpty else { return }
        columns[column, default: Texts()].texts += texts.count
        for text in texts { columns[column, default: Texts()].words += Self.words(text) }
    }

    private static func words(_ text: String) -> Int {
        var count = 0
        var isInside = false
        for byte in text.utf8 {
            let isBlank = byte == 0x20 || (0x09...0x0D).contains(byte)
            if !isBlank && !isInside { count += 1 }
            isInside = !isBlank
        }
        return count
    }

    static func += (left: inout DatasetStatistics, right: DatasetStatistics) {
        left.images.merge(right.images, uniquingKeysWith: +)
        left.imageBytes += right.imageBytes
        for (column, texts) in right.columns { left.columns[column, default: Texts()] += texts }
        left.severalTexts += right.severalTexts
        left.withoutText += right.withoutText
    }

    enum CodingKeys: String, CodingKey {
        case images, columns
        case imageBytes = "image_bytes"
        case severalTexts = "several_texts"
        case withoutText = "without_text"
    }
}
