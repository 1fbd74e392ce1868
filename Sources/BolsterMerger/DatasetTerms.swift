import BolsterRecords

/// What a dataset's `info.json` promises of its samples.
struct DatasetTerms: Equatable {
    /// "webdataset" or "jsonl".
    var format = ""
    var layout = ""
    var embeddings = ""
    /// What a view's parameters may be; from config.json.
    var parameters = ParameterCheck(.null)
    var includesImages = true
    /// Every sample has every stage.
    var requiresAll = true
    /// Column to captions per image.
    var captioners: [String: Int] = [:]
    /// The columns whose captions are embedded.
    var embedded: Set<String> = []
    var teacherWidths: [Int] = []
    /// Nil without an ensemble.
    var views: Int?
    /// Whether `param_aug` is a list written into a string, as the published sets have it.
    var packsParameters = false
    /// How far a norm may be from 1.
    var normTolerance = 0.01
    /// Tar to samples.
    var lengths: [String: Int] = [:]

    var width: Int { teacherWidths.reduce(0, +) }
    /// The extension of a sample's embeddings; a line's are compared as an npz.
    var embeddingsFile: String { format == "jsonl" ? "npz" : embeddings }
    /// How the dataset's shards end.
    var ending: String { format == "jsonl" ? ".jsonl" : ".tar" }

    /// Scores are of the records' numbers, which bf16 may have rounded since.
    static let scoreTolerance = 0.005

    /// Throws `malformed` where something is absent or of another kind.
    init(info bytes: [UInt8]) throws(RecordsError) {
        let info = try JSONValue(parsing: bytes)
        func field(_ value: JSONValue?, _ name: String) throws(RecordsError) -> JSONValue {
            guard let field = value?[name] else {
                throw RecordsError(.malformed, "the field \"\(name)\" is missing")
            }
            return field
        }
        guard try field(info, "format") == .number(1) else {
            throw RecordsError(
                .version, "info.json has another format than 1, which is what this program reads")
        }
        let merge = try field(info, "merge")
        format = try field(merge, "format").text ?? ""
        layout = try field(merge, "layout").text ?? ""
        embeddings = try field(merge, "embeddings").text ?? ""
        includesImages = try field(merge, "images") == .string("include")
        requiresAll = try field(merge, "require") == .string("all")
        for captioner in try field(info, "captioners").values {
            guard let column = captioner["column"]?.text, let count = captioner["captions"]?.integer else {
                throw RecordsError(.malformed, "a captioner states no column or number of captions")
            }
            captioners[column] = count
            if captioner["embedded"] != .bool(false) { embedded.insert(column) }
        }
        for teacher in try field(info, "teachers").values {
            guard let width = teacher["width"]?.integer, width > 0 else {
                throw RecordsError(.malformed, "a teacher states no width")
            }
            teacherWidths.append(width)
        }
        views = try field(info, "views").integer
        guard views == nil || !teacherWidths.isEmpty else {
            throw RecordsError(
                .malformed,
                "the teachers' widths are not known, for the embeddings do not tell them: join with "
                    + "--teacher-widths")
        }
        packsParameters = info["param_aug"] == .string("string")
        if embeddings == "npz", info["store"]?.text == "fp32" { normTolerance = 0.001 }
        guard case .object(let lengths) = try field(info, "lengths") else {
            throw RecordsError(.malformed, "\"lengths\" is no object")
        }
        for length in lengths { self.lengths[length.name] = length.value.integer ?? -1 }
    }
}

extension JSONValue {
    var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    var integer: Int? {
        if case .number(let text) = self { return Int(text) }
        return nil
    }

    /// An array's values; none for anything else.
    var values: [JSONValue] {
        if case .array(let values) = self { return values }
        return []
    }
}
