import BolsterDataset
import BolsterRecords

/// The counting record files of one chunk, checked against the manifest and against each other.
struct ChunkRecords {
    /// One stage's values for the chunk's samples.
    struct StageRecords {
        let file: RecordFile
        let path: String
        /// The first row of each sample, per tensor column.
        private let starts: [String: [Int]]

        init(file: RecordFile, path: String) {
            self.file = file
            self.path = path
            var starts: [String: [Int]] = [:]
            for column in file.columns {
                guard case .tensor(_, let rows, _, _) = column.content else { continue }
                var sum = 0
                starts[column.name] = rows.map { count in
                    defer { sum += count }
                    return sum
                }
            }
            self.starts = starts
        }

        /// The JSON text of a sample; nil where the column is absent.
        func text(_ column: String, _ index: Int) -> String? {
            guard case .text(let texts)? = file.column(column)?.content else { return nil }
            return texts[index]
        }

        /// A sample's rows of a tensor; nil where the column is absent.
        func matrix(_ column: String, _ index: Int, named name: String) -> EmbeddingMatrix? {
            guard case .tensor(let type, let rows, let width, let bytes)? = file.column(column)?.content,
                let start = starts[column]?[index]
            else { return nil }
            let rowBytes = width * type.size
            let part = Array(bytes[(start * rowBytes)..<((start + rows[index]) * rowBytes)])
            return EmbeddingMatrix(name: name, rows: rows[index], width: width, type: type, bytes: part)
        }
    }

    let chunk: Int
    let stages: [StageID: StageRecords]

    /// What all files of the chunk agree on; nil where the chunk has no file at all.
    var keys: [String]? { stages.values.first?.file.keys }
    var isLast: Bool { stages.values.contains { $0.file.header.isLast } }

    /// Reads, decodes and checks the files of a chunk.
    init(_ selection: RecordSelection, chunk: Int) throws(MergerError) {
        self.chunk = chunk
        var digests: [String: String] = selection.expectedDigests
        var files: [(stage: Stage, records: StageRecords, digest: String)] = []
        for stage in selection.configuration.stages {
            guard let path = selection.paths[stage.id]?[chunk] else { continue }
            let bytes = try selection.read(path)
            let file: RecordFile
            do {
                file = try RecordFile(decoding: bytes, name: path)
            } catch {
                throw MergerError(
                    .badRecords, "a record file cannot be used; restore it from a copy",
                    evidence: [path], cause: error)
            }
            try Self.check(file.header, stage: stage, chunk: chunk, path: path, selection)
            digests.merge(file.header.sources) { first, _ in first }
            files.append((stage, StageRecords(file: file, path: path), RecordFile.digest(of: bytes)))
        }
        for file in files {
            if let expected = digests[file.records.path], expected != file.digest {
                throw MergerError(
                    .mixture, "a record file is not the one that later stages were computed from",
                    evidence: [file.records.path])
            }
            try Self.check(sourcesOf: file.records, stage: file.stage, among: files.map(\.records.path))
        }
        if let first = files.first {
            for other in files where other.records.file.keys != first.records.file.keys {
                throw MergerError(
                    .mixture,
                    "two record files of chunk \(chunk) on \(selection.shard.name) hold different samples",
                    evidence: [first.records.path, other.records.path])
            }
            for other in files where other.records.file.header.isLast != first.records.file.header.isLast {
                throw MergerError(
                    .mixture,
                    "two record files disagree on whether chunk \(chunk) of \(selection.shard.name) ends it",
                    evidence: [first.records.path, other.records.path])
            }
        }
        stages = Dictionary(uniqueKeysWithValues: files.map { ($0.stage.id, $0.records) })
    }

    private static func check(
        _ header: RecordHeader, stage: Stage, chunk: Int, path: String, _ selection: RecordSelection
    ) throws(MergerError) {
        guard header.fingerprint == stage.fingerprint.hex else {
            throw MergerError(
                .mixture,
                "a record file of \(stage.id) has fingerprint \(header.fingerprint), the manifest's is "
                    + "\(stage.fingerprint.hex): merge with the manifest that made it, or finish this run",
                evidence: [path])
        }
        let firstSample = chunk * selection.configuration.manifest.chunk
        guard header.stage == stage.id.name, header.shard == selection.shard.name, header.chunk == chunk,
            header.firstSample == firstSample
        else {
            throw MergerError(
                .badRecords,
                "a record file says it is chunk \(header.chunk) of \(header.stage) on \(header.shard), from "
                    + "sample \(header.firstSample); its name or the manifest's chunk says otherwise",
                evidence: [path])
        }
    }

    /// What a file was computed from must be what counts.
    private static func check(
        sourcesOf records: StageRecords, stage: Stage, among counting: [String]
    ) throws(MergerError) {
        guard stage.reads != nil else { return }
        for source in records.file.header.sources.keys where !counting.contains(source) {
            throw MergerError(
                .mixture, "\(records.path) was computed from a record file that does not count",
                evidence: [source])
        }
    }

    /// Checks the source bytes of the chunk's samples against what every stage has read.
    func check(range: SourceRange, shard: String) throws(MergerError) {
        for (id, records) in stages.sorted(by: { $0.key < $1.key }) {
            guard let seen = records.file.header.range else { continue }
            guard seen.start == range.start, seen.end == range.end, seen.xxh64 == range.xxh64 else {
                throw MergerError(
                    .changedShard,
                    "the shard \(shard) is not the one that \(id) was computed from: chunk \(chunk) is bytes "
                        + "\(range.start)..<\(range.end) with XXH64 \(range.xxh64), the worker read "
                        + "\(seen.start)..<\(seen.end) with \(seen.xxh64); put the old shard back",
                    evidence: [records.path])
            }
        }
    }
}
