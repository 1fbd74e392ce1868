import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Joins one shard: the reinforcements stream past, each sample's source is read from where the index says it
/// lies, and both go into one tar under the reinforcement's key.
///
///     reinforcements ─► SampleWindow ──────────┐
///                            │ name            ├─► TarWriter ─► <output>/<shard>.tar
///     SourceIndex ◄──────────┘                 │
///          └─ place ─► read at ─► TarScanner ──┘
///
/// The source's files come first; where both have one of a kind, the reinforcement's counts, as it does when
/// both are unpacked into one folder. Memory: the sample at hand and a few MiB.
struct ShardJoin: ~Copyable {
    /// Texts are counted in the first of so many joined samples: parsing them all would cost as much as the
    /// join itself.
    static let textsCountedEvery = 64

    private let configuration: JoinConfiguration
    private let index: SourceIndex
    private let sources: SourceFiles
    private var window: SampleWindow
    private var output: ShardOutput
    private var tar = TarWriter()
    private var report: JoinReport.Shard

    init(
        _ configuration: JoinConfiguration, shard: Shard, index: SourceIndex, sources: SourceFiles,
        dataset: ObjectStore
    ) throws(MergerError) {
        let window = try Self.open(shard)
        let output = try ShardOutput("\(shard.name).tar", in: dataset)
        self.window = window
        self.output = output
        self.configuration = configuration
        self.index = index
        self.sources = sources
        report = JoinReport.Shard(shard: shard.name)
    }

    private static func open(_ shard: Shard) throws(MergerError) -> SampleWindow {
        do throws(StorageError) {
            return try SampleWindow(opening: shard)
        } catch {
            throw MergerError(
                .unreadableShard, "cannot open a shard of the published set", evidence: [shard.name],
                cause: error)
        }
    }

    /// Joins to the end, or to where the published shard is damaged.
    consuming func run(progress: (Int) -> Void) throws(MergerError) -> JoinReport.Shard {
        while let members = try next() {
            report.input += 1
            if try join(members) { report.joined += 1 } else { report.missing += 1 }
            try output.flush()
            progress(report.input)
        }
        tar.finish(to: &output.pending)
        (report.bytes, report.xxh64) = try output.finish(durably: configuration.synchronizes)
        return report
    }

    private mutating func next() throws(MergerError) -> [TarScanner.Member]? {
        guard report.damage.isEmpty else { return nil }
        do throws(MergerError) {
            return try window.next()
        } catch {
            guard error.code == .unreadableShard else { throw error }
            report.damage.append(error.cause.map { "\($0)" } ?? error.message)
            return nil
        }
    }

    /// False where the sample's source is not there.
    private mutating func join(_ members: [TarScanner.Member]) throws(MergerError) -> Bool {
        guard let first = members.first else { return false }
        var name = first.name.key
        if let field = configuration.field, let json = members.first(where: { $0.name.extension == "json" }),
            let uid = UIDField.value(in: window.bytes(of: json), field)
        {
            name = uid
        }
        for place in index.candidates(SourceIndex.hash(of: name)) {
            guard let source = try sources.sample(at: place, name: name, field: configuration.field) else {
                continue
            }
            describe(source, members)
            append(source, members, key: first.name.key)
            return true
        }
        return false
    }

    /// Counts what a card says of the sample, and learns from it what the set looks like.
    private mutating func describe(_ source: SourceSample, _ members: [TarScanner.Member]) {
        func content(_ kind: String) -> UnsafeRawBufferPointer? {
            members.first { $0.name.extension == kind }.map { window.bytes(of: $0) }
                ?? source.members.first { $0.name.extension == kind }.map { source.bytes(of: $0) }
        }
        let kinds = (members + source.members).map(\.name.extension)
        if let image = kinds.first(where: ImageFormat.extensions.contains).flatMap(content) {
            report.statistics.append(image: image.prefix(16), byteCount: image.count)
        } else {
            report.withoutImage += 1
        }
        let text = content("txt")
        if text == nil { report.statistics.withoutText += 1 }
        guard report.joined.isMultiple(of: Self.textsCountedEvery) else { return }
        if report.form == nil { report.form = PublishedForm { content($0).map(Array.init) } }
        report.statistics.append(
            texts: text.map { [String(decoding: $0, as: UTF8.self)] } ?? [],
            captions: content("syn.json").map(Self.fields) ?? [])
    }

    /// The fields of a JSON object; none of anything else.
    private static func fields(_ bytes: UnsafeRawBufferPointer) -> [JSONValue.Field] {
        do {
            guard case .object(let fields) = try JSONValue(parsing: Array(bytes)) else { return [] }
            return fields
        } catch {
            // What is no JSON is handed on as it is; `bolster verify` and the trainer say so.
            return []
        }
    }

    private mutating func append(_ source: SourceSample, _ members: [TarScanner.Member], key: String) {
        for member in source.members {
            let isReplaced = members.contains { $0.name.extension == member.name.extension }
            guard !isReplaced else { continue }
            append("\(key).\(member.name.extension)", source.bytes(of: member))
        }
        for member in members {
            let kind = member.name.extension
            let bytes = window.bytes(of: member)
            if kind == "paug.json", Self.isPacked(bytes) {
                if configuration.unpacksParameters, let list = Self.unpacked(bytes) {
                    list.withUnsafeBytes { append("\(key).\(kind)", $0) }
                    continue
                }
                report.packedParameters += 1
            }
            append("\(key).\(kind)", bytes)
        }
    }

    private mutating func append(_ name: String, _ bytes: UnsafeRawBufferPointer) {
        tar.appendHeader(name: name, size: bytes.count, to: &output.pending)
        output.pending.append(contentsOf: bytes)
        output.pending.append(contentsOf: repeatElement(0, count: TarWriter.padding(of: bytes.count)))
    }

    /// Whether the one field of a `paug.json` is a string: its first character tells.
    private static func isPacked(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return false }
        return bytes[(colon + 1)...].first { $0 != UInt8(ascii: " ") } == UInt8(ascii: "\"")
    }

    /// The `paug.json` with a list where it has a string; nil where it has none.
    private static func unpacked(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        do {
            guard case .object(var fields) = try JSONValue(parsing: Array(bytes)),
                let place = fields.firstIndex(where: { $0.name == "param_aug" }),
                case .string(let text) = fields[place].value
            else { return nil }
            fields[place].value = try JSONValue(parsing: Array(text.utf8))
            return PythonJSON.bytes(of: .object(fields))
        } catch {
            // What is no JSON is handed on as it is; `bolster verify` and the trainer say so.
            return nil
        }
    }
}
