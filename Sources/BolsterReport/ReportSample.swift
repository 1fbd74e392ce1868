import BolsterAugmentation
import BolsterDataset
import BolsterRecords
import Foundation

/// What a report shows and counts of one sample.
struct ReportSample {
    /// Texts of one source, with their scores where the dataset has them.
    struct Texts: Equatable {
        /// "text" for the sample's own, else the captioner's column.
        let column: String
        let texts: [String]
        /// As many as texts, or none.
        let scores: [Double]
    }

    static let ownColumn = "text"

    let key: String
    let image: [UInt8]?
    let texts: [Texts]
    /// One element for each view; none where they do not parse.
    let views: [AugmentationParameters]

    init(
        key: String, image: [UInt8]?, own: [String], captions: JSONValue?, columns: [String],
        parameters: [UInt8]?, facts: JSONValue?
    ) {
        self.key = key
        self.image = image
        let scores = facts?["caption_scores"]
        func texts(_ column: String, _ list: [String]) -> Texts? {
            guard !list.isEmpty else { return nil }
            let values = (scores?[column]?.values ?? []).compactMap(\.double)
            return Texts(column: column, texts: list, scores: values.count == list.count ? values : [])
        }
        self.texts =
            [texts(Self.ownColumn, own)].compactMap(\.self)
            + columns.compactMap { texts($0, captions?[$0]?.strings ?? []) }
        do throws(AugmentationError) {
            views =
                try parameters.map { bytes throws(AugmentationError) in
                    try AugmentationParameters.list(parsing: String(decoding: bytes, as: UTF8.self))
                } ?? []
        } catch {
            // The report shows what is there; `bolster verify` is what finds faults.
            views = []
        }
    }
}

/// Bytes of a shard in, samples out.
protocol SampleSource {
    mutating func append(_ bytes: UnsafeRawBufferPointer)
    /// Nil until more bytes come.
    mutating func next() throws -> ReportSample?
}

/// A tar of the webdataset layouts.
struct TarSource: SampleSource {
    private var reader: TarSampleReader
    private let columns: [String]

    init(_ shard: String, columns: [String]) {
        reader = TarSampleReader(shard: shard)
        self.columns = columns
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) { reader.append(bytes) }

    mutating func next() throws -> ReportSample? {
        guard let sample = try reader.next() else { return nil }
        func json(_ name: String) -> JSONValue? { sample.member(name).flatMap { parsed($0.bytes) } }
        return ReportSample(
            key: sample.key, image: sample.image?.bytes, own: sample.texts, captions: json("syn.json"),
            columns: columns, parameters: sample.member("paug.json")?.bytes, facts: json("json"))
    }
}

/// A JSONL shard: a sample in each line.
struct LineSource: SampleSource {
    private let columns: [String]
    private var line: [UInt8] = []
    private var lines: [[UInt8]] = []

    init(columns: [String]) { self.columns = columns }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(line + rest[..<end])
            line = []
            rest = rest[(end + 1)...]
        }
        line += rest
    }

    mutating func next() throws -> ReportSample? {
        guard !lines.isEmpty else { return nil }
        let value = try JSONValue(parsing: lines.removeFirst())
        let own = value["text"]?.text.map { [$0] } ?? value["text"]?.strings ?? []
        return ReportSample(
            key: value["key"]?.text ?? "",
            image: value["image"]?.text.flatMap { Data(base64Encoded: $0) }.map(Array.init),
            own: own, captions: value, columns: columns,
            parameters: value["param_aug"].map { PythonJSON.bytes(of: .object([.init("param_aug", $0)])) },
            facts: value["json"] ?? value)
    }
}

/// Nil where the bytes are no JSON.
func parsed(_ bytes: [UInt8]) -> JSONValue? {
    do {
        return try JSONValue(parsing: bytes)
    } catch {
        return nil
    }
}
