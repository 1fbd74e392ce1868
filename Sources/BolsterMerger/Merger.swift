import BolsterDataset
import BolsterRecords
import BolsterStorage
import Foundation

/// Joins the records of a run with its source shards into a dataset, and proves what became of every sample.
///
/// Equal inputs give equal bytes. A merge that was interrupted goes on with the first shard that is not
/// finished; a finished one is written again only when what it is made from has changed.
package struct Merger: Sendable {
    private static let samplesPerProgress = 256

    private let configuration: MergeConfiguration
    private let dataset: ObjectStore

    package init(_ configuration: MergeConfiguration) {
        self.configuration = configuration
        dataset = ObjectStore(root: configuration.output)
    }

    /// Merges every shard, `threads` of them at a time, each with a chunk's records in memory. The dataset's
    /// bytes do not depend on that number.
    ///
    /// - Parameter part: merges only this part's shards and writes nothing beside them: `close` does.
    package func run(
        threads: Int = Self.threadsByDefault, part: MergePart? = nil,
        progress: (MergeProgress) -> Void = { _ in }
    ) throws(MergerError) -> Coverage {
        let shards = part.map { $0.shards(of: configuration.shards) } ?? configuration.shards
        try removeLeftovers(of: shards.map(\.name))
        let pool = ShardThreads(shards: shards.count, threads: threads, samples: \.coverage.counts.input) {
            index, progress throws(MergerError) in
            try merge(shards[index]) { samples in
                if samples % Self.samplesPerProgress == 0 { progress(samples) }
            }
        }
        let receipts = try pool.results { done, samples in
            progress(MergeProgress(shards: shards.count, shardsDone: done, samples: samples))
        }
        return try finish(receipts, closing: part == nil)
    }

    /// Checks that every shard is merged from the records that count now, and writes the files beside them.
    package func close(
        threads: Int = Self.threadsByDefault, progress: (MergeProgress) -> Void = { _ in }
    ) throws(MergerError) -> Coverage {
        try finish(try current(threads: threads, progress: progress), closing: true)
    }

    /// Checks that every shard is merged from the records that count now, and touches nothing.
    package func check(threads: Int = Self.threadsByDefault) throws(MergerError) -> Coverage {
        try finish(try current(threads: threads) { _ in }, closing: false)
    }

    private func current(
        threads: Int, progress: (MergeProgress) -> Void
    ) throws(MergerError) -> [ShardReceipt] {
        let shards = configuration.shards
        let pool = ShardThreads(shards: shards.count, threads: threads, samples: \.coverage.counts.input) {
            index, _ throws(MergerError) in
            let selection = try RecordSelection(configuration, shard: shards[index])
            return try kept(shards[index], selection) ?? .lacking(shards[index])
        }
        let receipts = try pool.results { done, samples in
            progress(MergeProgress(shards: shards.count, shardsDone: done, samples: samples))
        }
        let lacking = receipts.filter(\.isLacking).map(\.coverage.shard)
        guard lacking.isEmpty else {
            throw MergerError(
                .unfinished,
                "these shards are not merged, or from other records or settings than now count: merge the "
                    + "parts that hold them again, then close", evidence: lacking)
        }
        return receipts
    }

    private func finish(_ receipts: [ShardReceipt], closing: Bool) throws(MergerError) -> Coverage {
        var coverage = Coverage()
        for receipt in receipts { coverage.append(receipt.coverage) }
        try checkComputeClasses(coverage)
        if closing { try describe(coverage) }
        return coverage
    }

    /// The processors, but no more than eight: beyond that the disk is the limit.
    package static var threadsByDefault: Int { min(8, ProcessInfo.processInfo.activeProcessorCount) }

    /// Writes the files beside the shards.
    private func describe(_ coverage: Coverage) throws(MergerError) {
        let files = DatasetDescription(configuration, coverage: coverage).files
        try removeLeftovers(of: files.map(\.0))
        for (name, content) in files {
            do {
                try dataset.write(name, content)
            } catch {
                throw MergerError(.storage, "cannot write \(name) beside the shards", cause: error)
            }
        }
    }

    private func merge(_ shard: Shard, progress: (Int) -> Void) throws(MergerError) -> ShardReceipt {
        let selection = try RecordSelection(configuration, shard: shard)
        if !configuration.partial { try checkFinished(selection) }
        if let receipt = try kept(shard, selection) { return receipt }
        let inputs = ShardReceipt.inputs(configuration, shard: shard, selection: selection)
        let merge = try ShardMerge(
            configuration, shard: shard, selection: selection, dataset: dataset)
        let receipt = ShardReceipt(inputs: inputs, coverage: try merge.run(progress: progress))
        do {
            try configuration.records.write(receiptName(shard), receipt.encoded())
        } catch {
            throw MergerError(.storage, "cannot write the receipt of \(shard.name): \(error)")
        }
        return receipt
    }

    private func receiptName(_ shard: Shard) -> String {
        "\(ShardReceipt.folder(dataset: configuration.output))/\(shard.name).json"
    }

    /// Removes what a killed merge left of the files of these names; others may be at work on other parts, or
    /// on these.
    private func removeLeftovers(of names: [String]) throws(MergerError) {
        let manager = FileManager.default
        let receipts = ShardReceipt.folder(dataset: configuration.output)
        // In a bucket nothing unfinished shows; it is `bolster clean` that takes back old uploads.
        let local =
            (dataset.isLocal ? [configuration.output] : [])
            + (configuration.records.isLocal ? ["\(configuration.records.root)/\(receipts)"] : [])
        for folder in local {
            guard manager.fileExists(atPath: folder) else { continue }
            do {
                let starts = names.map { ".\($0.prefix(48))." }
                for name in try manager.contentsOfDirectory(atPath: folder)
                where AtomicFileWriter.isTemporary(name) && starts.contains(where: name.hasPrefix) {
                    try AtomicFileWriter.removeAbandoned("\(folder)/\(name)")
                }
            } catch {
                throw MergerError(
                    .storage, "cannot clear what a killed merge left: \(error)", evidence: [folder])
            }
        }
    }

    /// The receipt of a shard that is merged from what counts now.
    private func kept(_ shard: Shard, _ selection: RecordSelection) throws(MergerError) -> ShardReceipt? {
        let inputs = ShardReceipt.inputs(configuration, shard: shard, selection: selection)
        guard let receipt = try finished(shard), receipt.inputs == inputs else { return nil }
        return receipt
    }

    /// The receipt of a shard whose file is there and has the receipt's size.
    private func finished(_ shard: Shard) throws(MergerError) -> ShardReceipt? {
        let name = receiptName(shard)
        let records = configuration.records
        do throws(StorageError) {
            guard try records.exists(name), let receipt = ShardReceipt(decoding: try records.read(name))
            else {
                return nil
            }
            let name = configuration.fileName(shard.name)
            guard try dataset.exists(name) else { return nil }
            return try dataset.size(name) == receipt.coverage.bytes ? receipt : nil
        } catch {
            throw MergerError(
                .storage, "cannot look at what is already merged of \(shard.name)", cause: error)
        }
    }

    /// Every required stage must have all chunks up to the one that is marked as the last.
    private func checkFinished(_ selection: RecordSelection) throws(MergerError) {
        var lacking: [String] = []
        for stage in configuration.required {
            let chunks = selection.paths[stage.id] ?? [:]
            let last = chunks.keys.max()
            let hasHole = last.map { chunks.count != $0 + 1 } ?? true
            if hasHole || chunks.count < selection.chunkCount {
                lacking.append("\(stage.id) on \(selection.shard.name)")
                continue
            }
            guard let last, let path = chunks[last] else { continue }
            let bytes = try selection.read(path)
            do throws(RecordsError) {
                let header = try RecordFile.header(of: bytes, name: path)
                if !header.isLast {
                    lacking.append("\(stage.id) on \(selection.shard.name) after chunk \(last)")
                }
            } catch {
                throw MergerError(
                    .badRecords, "a record file cannot be used; restore it from a copy",
                    evidence: [path], cause: error)
            }
        }
        guard lacking.isEmpty else {
            throw MergerError(
                .unfinished,
                "the run is not finished: go on with `bolster run`, or look for quarantined units with "
                    + "`bolster status`, or merge what there is with --partial", evidence: lacking)
        }
    }

    private func checkComputeClasses(_ coverage: Coverage) throws(MergerError) {
        guard configuration.strict else { return }
        let mixed = coverage.computeClasses.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }
        guard mixed.isEmpty else {
            throw MergerError(
                .mixedComputeClasses,
                "records come from different compute classes, so another run would not repeat their bytes; "
                    + "merge without --strict to accept them",
                evidence: mixed.map { "\($0.key): \($0.value.keys.sorted().joined(separator: " / "))" })
        }
    }
}
