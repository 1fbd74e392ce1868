import BolsterDataset
import BolsterRecords
import Foundation

/// A line of a JSONL dataset as the sample that a tar would have: the same files under the same names, so
/// that one check serves both formats.
enum LineSample {
    private static let embeddingSuffix = "_emb"

    /// Throws `malformed` where the line is no JSON object with a key, or its embeddings do not unpack.
    static func sample(
        _ line: [UInt8], index: Int, start: Int64, columns: Set<String>
    ) throws(RecordsError) -> Sample {
        let value = try JSONValue(parsing: line)
        guard case .object(let fields) = value, let key = value["key"]?.text else {
            throw RecordsError(.malformed, "line \(index + 1) is no JSON object with a \"key\"")
        }
        var members: [Member] = []
        func append(_ name: String, _ bytes: [UInt8]) {
            members.append(Member(name: "\(key).\(name)", extension: name, bytes: bytes))
        }
        if let image = value["image"]?.text {
            let bytes = try decoded(image, "image", of: key)
            let format = ImageFormat(magicOf: bytes)
            append(format == .png ? "png" : format == .webp ? "webp" : "jpg", bytes)
        }
        if let text = value["text"]?.text ?? value["text"]?.strings?.first { append("txt", Array(text.utf8)) }
        let captions = fields.filter { columns.contains($0.name) }
        if !captions.isEmpty { append("syn.json", PythonJSON.bytes(of: .object(captions))) }
        if let parameters = value["param_aug"] {
            append("paug.json", PythonJSON.bytes(of: .object([.init("param_aug", parameters)])))
        }
        var matrices: [EmbeddingMatrix] = []
        for field in fields where field.name.hasSuffix(embeddingSuffix) {
            guard let text = field.value.text else { continue }
            let packed = try decoded(text, field.name, of: key)
            matrices.append(try NumpyPickle.matrix(of: packed, name: field.name))
        }
        if !matrices.isEmpty { append("npz", NumpyArchive.bytes(of: matrices)) }
        let known = Set(members.map(\.extension))
        var facts: [JSONValue.Field] = []
        // A sample without a uid has its key for it.
        if let uid = value["uid"], uid != .string(key) { facts.append(.init("uid", uid)) }
        if let scores = value[CaptionScores.field] { facts.append(.init(CaptionScores.field, scores)) }
        if known.isEmpty || !facts.isEmpty { append("json", PythonJSON.bytes(of: .object(facts))) }
        return Sample(
            index: index, key: key, members: members, start: start, end: start + Int64(line.count) + 1)
    }

    private static func decoded(_ text: String, _ field: String, of key: String) throws(RecordsError)
        -> [UInt8]
    {
        guard let data = Data(base64Encoded: text) else {
            throw RecordsError(.malformed, "\(field) of \(key) is not base64")
        }
        return [UInt8](data)
    }
}
