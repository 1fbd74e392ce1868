import BolsterDataset
import BolsterDeterminism
import BolsterRecords
import BolsterStorage
import Foundation

@testable import BolsterMerger

/// A run's output made by hand: source shards and the record files of every stage, without any model.
///
/// One captioner with two captions, two teachers of widths 3 and 4, two views, chunks of four samples.
final class RunFixture {
    struct SourceSample {
        var key: String
        var members: [(name: String, bytes: [UInt8])]
        var texts: [String]
        var skips: [StageID: Skip] = [:]
    }

    static let captions = StageID.captions(column: "syn_text")
    static let captionTexts = StageID.texts(column: "syn_text")

    let folder: URL
    let chunk: Int
    /// The teachers'.
    let widths: [Int]
    let views: Int
    var manifest: Manifest
    var shards: [Shard] = []
    var keep: SampleSelection?
    let records: ObjectStore

    init(chunk: Int = 4, widths: [Int] = [3, 4], views: Int = 2) throws {
        self.chunk = chunk
        self.widths = widths
        self.views = views
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("merge-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        records = ObjectStore(root: folder.appendingPathComponent("run").path)
        var augmentation = AugmentationConfiguration()
        augmentation.randomResizedCrop = .init(size: .init(height: 32, width: 32), interpolation: .bicubic)
        augmentation.randAugment = .init()
        augmentation.toTensor = true
        manifest = Manifest(
            name: "fixture", seed: 7, chunk: chunk, input: .init(shards: ["*.tar"]), output: "run",
            captioners: [.init(name: "", model: "captioner", captions: 2)],
            ensemble: .init(teachers: ["a", "b"], views: views, augmentation: augmentation),
            merge: .init(embeddings: .npz))
    }

    deinit {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            print("could not remove \(folder.path): \(error)")
        }
    }

    var stages: [Stage] {
        let models = ["captioner": "c", "a": "a", "b": "b"].mapValues { SHA256Hasher.digest(of: $0) }
        return manifest.stages(modelDigests: models)
    }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func configuration(
        output: String = "dataset", partial: Bool = false, strict: Bool = false,
        committed: MergeConfiguration.CommittedFile? = nil
    ) -> MergeConfiguration {
        MergeConfiguration(
            manifest: manifest, stages: stages, shards: shards, records: records, output: path(output),
            partial: partial, strict: strict,
            teachers: zip(["a", "b"], widths).map { .init(name: $0, width: $1) },
            committed: committed, keep: keep)
    }

    @discardableResult
    func merge(
        output: String = "dataset", partial: Bool = false, strict: Bool = false,
        committed: MergeConfiguration.CommittedFile? = nil
    ) throws -> Coverage {
        try Merger(
            configuration(output: output, partial: partial, strict: strict, committed: committed)
        ).run()
    }

    // MARK: Source

    static func sample(_ index: Int) -> SourceSample {
        let key = "set/\(1000 + index)"
        return SourceSample(
            key: key,
            members: [
                (
                    "\(key).jpg",
                    [0xFF, 0xD8, 0xFF] + Array(repeating: UInt8(index & 255), count: 900 + index)
                ),
                ("\(key).json", Array(#"{"uid": "\#(index)", "url": "http://example.org/\#(index)"}"#.utf8)),
                ("\(key).txt", Array("a text of \(index)\n".utf8)),
            ], texts: ["a text of \(index)"])
    }

    /// Writes a shard and the records of all stages.
    func addShard(_ name: String, _ samples: [SourceSample]) throws {
        let content = Self.tar(samples)
        try Data(content).write(to: folder.appendingPathComponent("\(name).tar"))
        let shard = Shard(
            index: shards.count, name: name, location: path("\(name).tar"),
            identity: ShardIdentity(size: Int64(content.count), version: "1"))
        shards.append(shard)
        try writeRecords(shard, samples, tar: content)
    }

    static func tar(_ samples: [SourceSample]) -> [UInt8] {
        var writer = TarWriter()
        var bytes: [UInt8] = []
        for sample in samples {
            for member in sample.members { writer.append(name: member.name, bytes: member.bytes, to: &bytes) }
        }
        writer.finish(to: &bytes)
        return bytes
    }

    // MARK: Records

    func writeRecords(
        _ shard: Shard, _ samples: [SourceSample], tar: [UInt8], epoch: String = "1-1", seed: UInt64 = 1
    ) throws {
        var reader = TarSampleReader(shard: shard.name)
        reader.append(tar)
        reader.finish()
        var ends: [Int64] = []
        while let sample = try reader.next() { ends.append(sample.end) }
        let count = max(1, (samples.count + self.chunk - 1) / self.chunk)
        for chunk in 0..<count {
            let first = chunk * self.chunk
            let part = Array(samples[first..<min(first + self.chunk, samples.count)])
            let start = chunk == 0 ? 0 : ends[first - 1]
            let end = part.isEmpty ? start : ends[first + part.count - 1]
            let header = RecordHeader(
                run: manifest.name, stage: "", fingerprint: "", shard: shard.name,
                shardIdentity: .init(size: shard.identity.size, version: shard.identity.version),
                range: .init(
                    start: start, end: end,
                    xxh64: Hexadecimal.text(of: XXH64Hasher.hash(of: Array(tar[Int(start)..<Int(end)])))),
                chunk: chunk, isLast: chunk == count - 1, samples: part.count, firstSample: first,
                epoch: epoch,
                computeClass: "test")
            try writeChunk(header, part, seed: seed)
        }
    }

    private func writeChunk(_ header: RecordHeader, _ samples: [SourceSample], seed: UInt64) throws {
        var sources: [String: String] = [:]
        for stage in stages {
            var header = header
            header.stage = stage.id.name
            header.fingerprint = stage.fingerprint.hex
            if stage.reads != nil {
                header.range = nil
                header.sources = sources
            }
            let file = RecordFile(
                header: header, keys: samples.map(\.key), skips: samples.map { $0.skips[stage.id] },
                columns: columns(stage.id, samples, seed: seed))
            let bytes = try file.encode()
            let name = RecordFileName(
                stage: stage.id.name, shard: header.shard, chunk: header.chunk, epoch: header.epoch)
            if stage.id == Self.captions { sources[name.path] = RecordFile.digest(of: bytes) }
            try records.write(name.path, bytes)
        }
    }

    private func columns(_ stage: StageID, _ samples: [SourceSample], seed: UInt64) -> [RecordColumn] {
        func tensor(_ name: String, rows count: (SourceSample) -> Int) -> RecordColumn {
            let rows = samples.map { $0.skips[stage] == nil ? count($0) : 0 }
            var values: [Float] = []
            for (sample, rows) in zip(samples, rows) {
                for row in 0..<rows {
                    values += Self.embedding(sample.key, stage, row, seed: seed, widths: widths)
                }
            }
            return RecordColumn(
                name: name, rounding: values, to: .bf16, rows: rows, width: widths.reduce(0, +))
        }
        func text(_ name: String, _ value: (SourceSample) -> String) -> RecordColumn {
            RecordColumn(name: name, content: .text(samples.map { $0.skips[stage] == nil ? value($0) : "" }))
        }
        switch stage {
        case Self.captions, .captions(column: "syn_text_late"):
            return [text("captions") { PythonJSON.text(of: ["caption of \($0.key)", "naïve «\(seed)»"]) }]
        case .views:
            let view = "[[0, 1, 20, 30], [[4, 0.09000000357627869], [13, 0.0]]]"
            let list = Array(repeating: view, count: views - 1) + ["[[2, 0, 9, 8], null]"]
            return [
                text("param_aug") { _ in "[\(list.joined(separator: ", "))]" },
                tensor("image_emb") { [views] _ in views },
            ]
        case .groundTruth: return [tensor("text_emb") { $0.texts.count }]
        default: return [tensor("text_emb") { _ in 2 }]
        }
    }

    /// Two vectors of length 1, side by side.
    static func embedding(
        _ key: String, _ stage: StageID, _ row: Int, seed: UInt64, widths: [Int] = [3, 4]
    ) -> [Float] {
        var random = CounterRandom(seed: seed, purpose: .caption, key: "\(key) \(stage)", index: row)
        return widths.flatMap { width -> [Float] in
            let vector = (0..<width).map { _ in random.double(in: -1, 1) }
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { Float($0 / norm) }
        }
    }

    // MARK: Output

    func samples(of tar: String) throws -> [Sample] {
        var reader = TarSampleReader(shard: tar)
        reader.append([UInt8](try Data(contentsOf: folder.appendingPathComponent(tar))))
        reader.finish()
        var samples: [Sample] = []
        while let sample = try reader.next() { samples.append(sample) }
        return samples
    }

    /// Every file of a dataset.
    func contents(_ dataset: String) throws -> [String: [UInt8]] {
        let store = ObjectStore(root: path(dataset))
        var contents: [String: [UInt8]] = [:]
        for name in try store.list(prefix: "") { contents[name] = try store.read(name) }
        return contents
    }
}
