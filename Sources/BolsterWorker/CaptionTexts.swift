import BolsterDataset
import BolsterDeterminism
import BolsterLeasing
import BolsterRecords
import BolsterStorage

/// One chunk of a captioner's records, as a text stage embeds it.
struct CaptionTexts {
    let file: RecordFile
    private let lists: [String]

    /// Reads a record file and proves that it is the one that was committed for this chunk.
    init(reading source: Grant.Source, of grant: Grant, from output: ObjectStore) throws {
        let name = grant.file(of: source)
        let bytes = try output.read(name)
        let hash = XXH64Hasher.hash(of: bytes)
        guard hash == source.digest else {
            throw WorkerError(
                .mismatch,
                "the record file has the XXH64 \(Hexadecimal.text(of: hash)), committed was"
                    + " \(Hexadecimal.text(of: source.digest)): it was changed after its commit",
                evidence: name)
        }
        file = try RecordFile(decoding: bytes, name: name)
        guard file.header.stage == grant.reads, file.header.shard == grant.shard.name,
            file.header.chunk == source.chunk, case .text(let lists)? = file.column("captions")?.content
        else {
            throw WorkerError(.mismatch, "the record file holds no captions of this chunk", evidence: name)
        }
        self.lists = lists
    }

    /// A sample that its captioner skipped is skipped here with the reason `not_captioned`, or as
    /// not selected where it was not.
    func sample(_ position: Int) throws -> UnitSample {
        let key = file.keys[position]
        func sample(_ texts: Result<[String], SkippedSample>) -> UnitSample {
            UnitSample(index: file.header.firstSample + position, key: key, content: .texts(texts))
        }
        if let skip = file.skips[position] {
            let isSelected = skip.reason != SampleSelection.reason
            let skip =
                isSelected
                ? Skip(reason: "not_captioned", detail: "\(skip.reason): \(skip.detail)") : .notSelected
            return sample(.failure(SkippedSample(skip: skip)))
        }
        guard let texts = try JSONValue(parsing: Array(lists[position].utf8)).strings else {
            throw WorkerError(.mismatch, "the captions of a sample are no list of strings", evidence: key)
        }
        return sample(.success(texts))
    }
}
