import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Reads a merged dataset from front to back and lists everything in it that a trainer would stumble over:
/// files beside the shards that do not parse or do not agree, damaged or changed shards, repeated or
/// scattered keys, missing files, wrong shapes, numbers that are none, vectors that have not length 1,
/// parameters that no augmentation draws. With the source shards, that the dataset is what the coverage
/// report says.
package struct DatasetVerifier {
    private let sources: [String: Shard]?

    /// - Parameter sources: the shards that the dataset was merged from; nil does not compare with them.
    package init(sources: [Shard]? = nil) {
        self.sources = sources.map {
            Dictionary($0.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

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
        var terms: DatasetTerms
        do {
            terms = try DatasetTerms(info: info)
        } catch {
            report.append(.init(code: "bad_info", message: "info.json: \(error)"))
            return report
        }
        if terms.packsParameters {
            report.append(
                warning: .init(
                    code: "packed_parameters",
                    message: "param_aug is a string, and the trainer's patch reads lists: join with "
                        + "--unpack-parameters"))
        }
        let companions = CompanionCheck(dataset, terms: &terms, report: &report)
        let shards = names.filter {
            $0.hasSuffix(terms.ending) && !$0.contains("/") && $0 != "manifest.jsonl"
        }
        for name in shards where terms.lengths[name] == nil {
            report.append(.init(code: "unknown_shard", shard: name, message: "info.json does not list it"))
        }
        for name in terms.lengths.keys.sorted() where !shards.contains(name) {
            report.append(
                .init(code: "missing_shard", shard: name, message: "info.json lists it, and it is not there"))
        }
        checkSources(shards, terms: terms, report: &report)
        var uids = UIDCheck(shards)
        for (number, name) in shards.enumerated() {
            try verify(name, number, in: dataset, terms: terms, companions, &uids, report: &report)
            report.shards += 1
            progress(report.shards, report.samples)
        }
        do throws(StorageError) {
            try uids.finish(dataset, terms, &report)
        } catch {
            throw MergerError(.storage, "cannot look for uids that come twice", cause: error)
        }
        return report
    }

    /// Every source shard has its shard in the dataset.
    private func checkSources(_ shards: [String], terms: DatasetTerms, report: inout VerifyReport) {
        guard let sources else { return }
        for name in sources.keys.sorted() where !shards.contains(name + terms.ending) {
            report.append(
                .init(
                    code: "missing_shard", shard: name + terms.ending,
                    message: "the source has a shard \(name), and the dataset has none"))
        }
    }

    private func verify(
        _ name: String, _ number: Int, in dataset: ObjectStore, terms: DatasetTerms,
        _ companions: CompanionCheck, _ uids: inout UIDCheck, report: inout VerifyReport
    ) throws(MergerError) {
        let shard = String(name.dropLast(terms.ending.count))
        var check = SampleCheck(terms: terms, shard: name)
        var samples = 0
        do throws(StorageError) {
            if let sources {
                if let original = sources[shard] {
                    var source = try SourceCheck(original, file: name, terms: terms)
                    samples = try read(name, in: dataset, terms, companions, &check, &report) {
                        sample throws(StorageError) in
                        try source.take(sample)
                        try uids.take(sample, shard: number)
                    }
                    try source.finish(companions.counts[shard])
                    report.sourceSamples = (report.sourceSamples ?? 0) + source.seen
                    for fault in source.faults { report.append(fault) }
                } else {
                    report.append(
                        .init(code: "unknown_shard", shard: name, message: "the source has no such shard"))
                }
            } else {
                samples = try read(name, in: dataset, terms, companions, &check, &report) {
                    sample throws(StorageError) in
                    try uids.take(sample, shard: number)
                }
            }
        } catch {
            throw MergerError(.storage, "cannot read a shard", evidence: [name], cause: error)
        }
        report.samples += samples
        report.normErrorMax = max(report.normErrorMax, check.normErrorMax)
        for fault in check.faults { report.append(fault) }
        if let expected = terms.lengths[name], expected != samples {
            report.append(
                .init(
                    code: "counts_differ", shard: name,
                    message: "it has \(samples) samples, info.json says \(expected)"))
        }
    }

    /// Checks every sample of a shard, and its size and hash; returns how many there were.
    private func read(
        _ name: String, in dataset: ObjectStore, _ terms: DatasetTerms, _ companions: CompanionCheck,
        _ check: inout SampleCheck, _ report: inout VerifyReport,
        _ body: (Sample) throws(StorageError) -> Void
    ) throws(StorageError) -> Int {
        var reader = try DatasetShardReader(name, in: dataset, terms: terms)
        var samples = 0
        do throws(DatasetShardReader.Problem) {
            while let sample = try reader.next() {
                samples += 1
                check.check(sample)
                for member in sample.members { report.files[member.extension, default: 0] += 1 }
                do throws(StorageError) {
                    try body(sample)
                } catch {
                    throw .storage(error)
                }
            }
            if let mistake = companions.mistake(shard: name, bytes: reader.bytesRead, xxh64: reader.xxh64) {
                report.append(.init(code: "changed_shard", shard: name, message: mistake))
            }
        } catch {
            switch error {
            case .storage(let error): throw error
            case .damaged(let message):
                report.append(.init(code: "damaged_shard", shard: name, message: message))
            }
        }
        report.bytes += reader.bytesRead
        return samples
    }
}
