import BolsterDataset
import BolsterStorage

/// Compares one shard of a dataset with the source shard that it was merged from, sample by sample while both
/// stream past: every key of the dataset is the source's, in the source's order and with the source's image
/// and text, and what is not in the dataset is what the coverage report says was left out.
struct SourceCheck: ~Copyable {
    private let shard: String
    private let terms: DatasetTerms
    private var source: ByteReader
    private var reader: SampleReader
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    private var hasEnded = false
    /// Samples of the source seen so far, and those found in the dataset.
    private(set) var seen = 0
    private var found = 0
    private(set) var faults: [VerifyReport.Fault] = []
    private var isBroken = false

    init(_ shard: Shard, file: String, terms: DatasetTerms) throws(StorageError) {
        self.shard = file
        self.terms = terms
        source = try ByteReader(opening: shard.location)
        reader = SampleReader(shard: shard.location)
    }

    deinit { buffer.deallocate() }

    /// The next sample of the dataset.
    mutating func take(_ sample: Sample) throws(StorageError) {
        guard !isBroken else { return }
        while let original = try next() {
            guard original.key.utf8.elementsEqual(sample.key.utf8) else { continue }
            found += 1
            compare(sample, with: original)
            return
        }
        guard !isBroken else { return }
        isBroken = true
        fault("not_in_source", sample.key, "the source shard has no such sample, or not in this order")
    }

    /// The dataset's shard has ended; `counts` are what its coverage report says of it.
    mutating func finish(_ counts: Coverage.Counts?) throws(StorageError) {
        while !isBroken, try next() != nil {}
        guard !isBroken else { return }
        guard let counts else {
            fault("coverage_differs", "", "coverage.json says nothing of this shard")
            return
        }
        if counts.input != seen || counts.merged != found {
            fault(
                "coverage_differs", "",
                "the source has \(seen) samples of which \(found) are merged; coverage.json says "
                    + "\(counts.input) and \(counts.merged)")
        }
    }

    private mutating func compare(_ sample: Sample, with original: Sample) {
        if terms.includesImages, sample.image?.bytes != original.image?.bytes {
            fault("image_differs", sample.key, "the image is not the source's")
        }
        let text = sample.member("txt").map { String(decoding: $0.bytes, as: UTF8.self) }
        if text != original.texts.first { fault("text_differs", sample.key, "the text is not the source's") }
    }

    private mutating func fault(_ code: String, _ key: String, _ message: String) {
        faults.append(.init(code: code, shard: shard, key: key, message: message))
    }

    /// The source's next sample, nil at its end and where it cannot be read further.
    private mutating func next() throws(StorageError) -> Sample? {
        while true {
            do throws(DatasetError) {
                if let sample = try reader.next() {
                    seen += 1
                    return sample
                }
            } catch {
                isBroken = true
                fault("damaged_source", "", "\(error)")
                return nil
            }
            if hasEnded { return nil }
            let count = try source.read(into: buffer)
            if count == 0 {
                hasEnded = true
                reader.finish()
            } else {
                reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }
}
