import BolsterDataset
import BolsterLeasing
import BolsterRecords
import BolsterStorage

/// What a unit is computed from: its samples, and after the last of each chunk the header of its records.
protocol UnitSource: AnyObject {
    func next() throws -> UnitEvent?
}

enum UnitEvent: Sendable {
    case sample(UnitSample)
    case chunkEnded(RecordHeader)
}

/// A unit that reads its shard.
final class ShardUnitSource: UnitSource {
    private let source: ShardSource
    private let header: (ChunkRange) -> RecordHeader

    init(_ source: ShardSource, header: @escaping (ChunkRange) -> RecordHeader) {
        self.source = source
        self.header = header
    }

    func next() throws -> UnitEvent? {
        switch try source.next() {
        case .sample(let sample):
            .sample(UnitSample(index: sample.index, key: sample.key, content: .files(sample)))
        case .chunkEnded(let range): .chunkEnded(header(range))
        case nil: nil
        }
    }
}

/// A unit that reads the record files of the captioner's unit on the same shard.
final class CaptionsUnitSource: UnitSource {
    private let grant: Grant
    private let output: ObjectStore
    private let header: (Grant.Source, RecordHeader) -> RecordHeader
    private var sources: ArraySlice<Grant.Source>
    private var texts: CaptionTexts?
    private var position = 0

    /// - Parameter sources: the chunks to read, in order.
    init(
        _ sources: [Grant.Source], of grant: Grant, from output: ObjectStore,
        header: @escaping (Grant.Source, RecordHeader) -> RecordHeader
    ) {
        self.sources = sources[...]
        self.grant = grant
        self.output = output
        self.header = header
    }

    func next() throws -> UnitEvent? {
        guard let source = sources.first else { return nil }
        let texts = try self.texts ?? CaptionTexts(reading: source, of: grant, from: output)
        guard position < texts.file.keys.count else {
            sources.removeFirst()
            self.texts = nil
            position = 0
            return .chunkEnded(header(source, texts.file.header))
        }
        self.texts = texts
        defer { position += 1 }
        return .sample(try texts.sample(position))
    }
}
