import BolsterDataset
import BolsterDeterminism
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
    private static let pieceBytes = 1 << 20

    private let configuration: JoinConfiguration
    private let index: SourceIndex
    private let sources: SourceFiles
    private var window: SampleWindow
    private var output: ObjectWriter
    private var tar = TarWriter()
    private var pending: [UInt8] = []
    private var hash = XXH64Hasher()
    private var report: JoinReport.Shard

    init(
        _ configuration: JoinConfiguration, shard: Shard, index: SourceIndex, sources: SourceFiles,
        dataset: ObjectStore
    ) throws(MergerError) {
        let window = try Self.open(shard)
        let output = try Self.create("\(shard.name).tar", in: dataset)
        self.window = window
        self.output = output
        self.configuration = configuration
        self.index = index
        self.sources = sources
        report = JoinReport.Shard(shard: shard.name)
        pending.reserveCapacity(4 * Self.pieceBytes)
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

    private static func create(
        _ name: String, in dataset: ObjectStore
    ) throws(MergerError) -> ObjectWriter {
        do throws(StorageError) {
            return try dataset.writer(name)
        } catch {
            throw MergerError(.storage, "cannot write a joined shard", evidence: [name], cause: error)
        }
    }

    /// Joins to the end, or to where the published shard is damaged.
    consuming func run(progress: (Int) -> Void) throws(MergerError) -> JoinReport.Shard {
        while let members = try next() {
            report.input += 1
            if try join(members) { report.joined += 1 } else { report.missing += 1 }
            try flush(over: Self.pieceBytes)
            progress(report.input)
        }
        tar.finish(to: &pending)
        try flush(over: 0)
        report.bytes = output.bytesWritten
        report.xxh64 = Hexadecimal.text(of: hash.current())
        do throws(StorageError) {
            try output.commit(durably: configuration.synchronizes)
        } catch {
            throw MergerError(
                .storage, "cannot write a joined shard", evidence: [report.shard], cause: error)
        }
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
            append(source, members, key: first.name.key)
            return true
        }
        return false
    }

    private mutating func append(_ source: SourceSample, _ members: [TarScanner.Member], key: String) {
        var hasImage = false
        for member in source.members {
            let isReplaced = members.contains { $0.name.extension == member.name.extension }
            guard !isReplaced else { continue }
            hasImage = hasImage || ImageFormat.extensions.contains(member.name.extension)
            append("\(key).\(member.name.extension)", source.bytes(of: member))
        }
        for member in members {
            let kind = member.name.extension
            hasImage = hasImage || ImageFormat.extensions.contains(kind)
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
        if !hasImage { report.withoutImage += 1 }
    }

    private mutating func append(_ name: String, _ bytes: UnsafeRawBufferPointer) {
        tar.appendHeader(name: name, size: bytes.count, to: &pending)
        pending.append(contentsOf: bytes)
        pending.append(contentsOf: repeatElement(0, count: TarWriter.padding(of: bytes.count)))
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

    private mutating func flush(over limit: Int) throws(MergerError) {
        guard pending.count > limit else { return }
        hash.update(pending)
        do throws(StorageError) {
            try output.append(pending)
        } catch {
            throw MergerError(
                .storage, "cannot write a joined shard", evidence: [report.shard], cause: error)
        }
        pending.removeAll(keepingCapacity: true)
    }
}
