import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Reads a merged dataset from front to back and lists everything in it that a trainer would stumble over:
/// files beside the shards that do not parse or do not agree, damaged tars, repeated or scattered keys,
/// missing files, wrong shapes, numbers that are none, vectors that have not length 1.
package struct DatasetVerifier {
    package init() {}

    /// Throws only where the folder cannot be read at all; what is wrong inside it is in the report.
    package func verify(
        directory: String, progress: (_ shards: Int, _ samples: Int) -> Void = { _, _ in }
    ) throws(MergerError) -> VerifyReport {
        let dataset = ObjectStore(root: directory)
        var report = VerifyReport(directory: directory)
        let info: [UInt8]
        let names: [String]
        do throws(StorageError) {
            info = try dataset.read("info.json")
            names = try dataset.list(prefix: "")
        } catch {
            throw MergerError(.storage, "\(directory) is no readable dataset of a merge", cause: error)
        }
        let terms: DatasetTerms
        do {
            terms = try DatasetTerms(info: info)
        } catch {
            report.append(.init(code: "bad_info", message: "info.json: \(error)"))
            return report
        }
        checkCompanions(dataset, terms: terms, report: &report)

        let tars = names.filter { $0.hasSuffix(".tar") && !$0.contains("/") }
        for tar in tars where terms.lengths[tar] == nil {
            report.append(.init(code: "unknown_shard", shard: tar, message: "info.json does not list it"))
        }
        for tar in terms.lengths.keys.sorted() where !tars.contains(tar) {
            report.append(
                .init(code: "missing_shard", shard: tar, message: "info.json lists it, and it is not there"))
        }
        for tar in tars {
            try verify(tar, in: dataset, terms: terms, report: &report)
            report.shards += 1
            progress(report.shards, report.samples)
        }
        return report
    }

    /// The other files: present, JSON, and of one mind about the counts.
    private func checkCompanions(_ dataset: ObjectStore, terms: DatasetTerms, report: inout VerifyReport) {
        func parsed(_ name: String) -> JSONValue? {
            do {
                return try JSONValue(parsing: try dataset.read(name))
            } catch {
                report.append(.init(code: "bad_companion", message: "\(name): \(error)"))
                return nil
            }
        }
        if let sizes = parsed("sizes.json") {
            for (tar, count) in terms.lengths where sizes[tar]?.integer != count {
                report.append(
                    .init(
                        code: "counts_differ", shard: tar,
                        message: "sizes.json and info.json count differently"))
            }
        }
        if let coverage = parsed("coverage.json") {
            let total = coverage["total"]
            let parts = ["merged", "excluded", "skipped", "missing"].map { total?[$0]?.integer ?? -1 }
            let lengths = terms.lengths.values.reduce(0, +)
            if parts.contains(-1) || parts.reduce(0, +) != total?["input"]?.integer || parts[0] != lengths {
                report.append(
                    .init(
                        code: "counts_differ",
                        message:
                            "coverage.json does not add up, or does not merge info.json's \(lengths) samples")
                )
            }
        }
        if terms.views != nil, let trainer = parsed("config.json") {
            if trainer["reinforce"]?["image_augmentation"]?["normalize"] == nil {
                report.append(
                    .init(
                        code: "bad_companion",
                        message:
                            "config.json lacks reinforce.image_augmentation.normalize: the trainer needs it"
                    ))
            }
        }
    }

    private func verify(
        _ tar: String, in dataset: ObjectStore, terms: DatasetTerms, report: inout VerifyReport
    ) throws(MergerError) {
        var check = SampleCheck(terms: terms, shard: tar)
        var samples = 0
        do throws(StorageError) {
            var source = try ByteReader(opening: dataset.location(of: tar))
            report.bytes += source.identity.size
            var reader = TarSampleReader(shard: tar)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
            defer { buffer.deallocate() }
            var isAtEnd = false
            while !isAtEnd {
                let count = try source.read(into: buffer)
                if count == 0 {
                    isAtEnd = true
                    reader.finish()
                } else {
                    reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                }
                do throws(DatasetError) {
                    while let sample = try reader.next() {
                        samples += 1
                        check.check(sample)
                        for member in sample.members { report.files[member.extension, default: 0] += 1 }
                    }
                } catch {
                    report.append(.init(code: "damaged_shard", shard: tar, message: "\(error)"))
                    isAtEnd = true
                }
            }
        } catch {
            throw MergerError(.storage, "cannot read a shard of the dataset", evidence: [tar], cause: error)
        }
        report.samples += samples
        report.normErrorMax = max(report.normErrorMax, check.normErrorMax)
        for fault in check.faults { report.append(fault) }
        if let expected = terms.lengths[tar], expected != samples {
            report.append(
                .init(
                    code: "counts_differ", shard: tar,
                    message: "it has \(samples) samples, info.json says \(expected)"))
        }
    }
}
