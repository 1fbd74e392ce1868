import BolsterAugmentation
import BolsterDataset
import BolsterRecords
import BolsterStorage

/// A merged dataset as a report reads it: what it promises, what became of the input, and its samples.
package struct ReportDataset {
    package struct Shard: Equatable, Sendable {
        let file: String
        let samples: Int
    }

    /// How many input samples came to what; from `coverage.json`.
    struct Coverage: Equatable {
        var input = 0
        var merged = 0
        var excluded = 0
        var skipped = 0
        var missing = 0
        /// Stage, reason, samples; the most frequent first.
        var reasons: [(stage: String, reason: String, count: Int)] = []
        /// What the endpoints of captioners counted, by stage.
        var tokens: [(stage: String, prompt: Int, completion: Int)] = []

        static func == (left: Coverage, right: Coverage) -> Bool {
            (left.input, left.merged, left.excluded, left.skipped, left.missing)
                == (right.input, right.merged, right.excluded, right.skipped, right.missing)
                && left.reasons.elementsEqual(right.reasons, by: ==)
                && left.tokens.elementsEqual(right.tokens, by: ==)
        }
    }

    let name: String
    let shards: [Shard]
    let isJSONL: Bool
    /// The captioners' columns, in the manifest's order.
    let columns: [String]
    let teachers: [(name: String, width: Int)]
    let views: Int?
    /// Nil where no config.json tells how views were made.
    let augmentation: Augmentation?
    let coverage: Coverage?
    private let store: ObjectStore

    package init(directory: String) throws(ReportError) {
        let store = ObjectStore(root: directory)
        guard let info = try Self.json("info.json", in: store) else {
            throw ReportError(
                .noDataset,
                "this folder is no merged dataset: it has no info.json; `bolster merge` makes one",
                evidence: [directory])
        }
        self.store = store
        name = info["name"]?.text ?? "dataset"
        isJSONL = info["merge"]?["format"]?.text == "jsonl"
        guard case .object(let lengths)? = info["lengths"] else {
            throw ReportError(.damaged, "info.json lists no shards", evidence: [directory])
        }
        shards = lengths.map { Shard(file: $0.name, samples: $0.value.integer ?? 0) }
        columns = (info["captioners"]?.values ?? []).compactMap { $0["column"]?.text }
        teachers = (info["teachers"]?.values ?? []).compactMap { teacher in
            teacher["name"]?.text.map { ($0, teacher["width"]?.integer ?? 0) }
        }
        views = info["views"]?.integer
        coverage = try Self.json("coverage.json", in: store).map(Coverage.init)
        augmentation = try Self.augmentation(in: store)
    }

    /// Nil where the file is not there.
    private static func json(_ name: String, in store: ObjectStore) throws(ReportError) -> JSONValue? {
        do {
            guard try store.exists(name) else { return nil }
            return try JSONValue(parsing: try store.read(name))
        } catch {
            throw ReportError(.damaged, "\(name) cannot be read", evidence: ["\(error)"])
        }
    }

    private static func augmentation(in store: ObjectStore) throws(ReportError) -> Augmentation? {
        do {
            guard try store.exists("config.json") else { return nil }
            let text = String(decoding: try store.read("config.json"), as: UTF8.self)
            return Augmentation(try AugmentationConfiguration.parse(text, file: "config.json"))
        } catch {
            throw ReportError(.damaged, "config.json cannot be read", evidence: ["\(error)"])
        }
    }

    /// Calls `body` with at most `limit` samples of a shard, from its beginning; `body` says whether to go
    /// on.
    func read(_ shard: Shard, limit: Int, _ body: (ReportSample) -> Bool) throws(ReportError) {
        do {
            var source = try ByteReader(opening: store.location(of: shard.file))
            var reader: any SampleSource =
                isJSONL ? LineSource(columns: columns) : TarSource(shard.file, columns: columns)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
            defer { buffer.deallocate() }
            var count = 0
            while true {
                while let sample = try reader.next() {
                    count += 1
                    guard body(sample), count < limit else { return }
                }
                let bytes = try source.read(into: buffer)
                guard bytes > 0 else { return }
                reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<bytes]))
            }
        } catch {
            throw ReportError(.damaged, "a shard cannot be read", evidence: [shard.file, "\(error)"])
        }
    }
}

extension ReportDataset.Coverage {
    init(_ json: JSONValue) {
        let total = json["total"]
        input = total?["input"]?.integer ?? 0
        merged = total?["merged"]?.integer ?? 0
        excluded = total?["excluded"]?.integer ?? 0
        skipped = total?["skipped"]?.integer ?? 0
        missing = total?["missing"]?.integer ?? 0
        if case .object(let stages)? = json["tokens"] {
            tokens = stages.map {
                ($0.name, $0.value["prompt"]?.integer ?? 0, $0.value["completion"]?.integer ?? 0)
            }
        }
        guard case .object(let stages)? = json["reasons"] else { return }
        for stage in stages {
            guard case .object(let counts) = stage.value else { continue }
            for count in counts { reasons.append((stage.name, count.name, count.value.integer ?? 0)) }
        }
        reasons.sort { ($1.count, $0.stage, $0.reason) < ($0.count, $1.stage, $1.reason) }
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

    var double: Double? {
        if case .number(let text) = self { return Double(text) }
        return nil
    }

    var values: [JSONValue] {
        if case .array(let values) = self { return values }
        return []
    }
}
