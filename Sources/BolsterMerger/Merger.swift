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
    package func run(
        threads: Int = Self.threadsByDefault, progress: (MergeProgress) -> Void = { _ in }
    ) throws(MergerError) -> Coverage {
        let shards = configuration.shards
        try removeLeftovers()
        let pool = ShardThreads(shards: shards.count, threads: threads) {
            index, progress throws(MergerError) in
            try merge(shards[index]) { samples in
                if samples % Self.samplesPerProgress == 0 { progress(samples) }
            }
        }
        let receipts = try pool.receipts { done, samples in
            progress(MergeProgress(shards: shards.count, shardsDone: done, samples: samples))
        }
        var coverage = Coverage()
        for receipt in receipts { coverage.append(receipt.coverage) }
        try checkComputeClasses(coverage)
        try describe(coverage, bytes: receipts.map(\.bytes))
        return coverage
    }

    /// The processors, but no more than eight: beyond that the disk is the limit.
    package static var threadsByDefault: Int { min(8, ProcessInfo.processInfo.activeProcessorCount) }

    /// Writes the files beside the shards.
    private func describe(_ coverage: Coverage, bytes: [Int64]) throws(MergerError) {
        for (name, content) in DatasetDescription(configuration, coverage: coverage, bytes: bytes).files {
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
        let inputs = ShardReceipt.inputs(configuration, shard: shard, selection: selection)
        if let receipt = try finished(shard), receipt.inputs == inputs { return receipt }

        let merge = try ShardMerge(
            configuration, shard: shard, selection: selection, output: try path(of: "\(shard.name).tar"))
        let merged = try merge.run(progress: progress)
        let receipt = ShardReceipt(inputs: inputs, bytes: merged.bytes, coverage: merged.coverage)
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

    /// Removes the unfinished files of a merge that was killed.
    private func removeLeftovers() throws(MergerError) {
        let manager = FileManager.default
        let receipts = ShardReceipt.folder(dataset: configuration.output)
        for folder in [configuration.output, "\(configuration.records.root)/\(receipts)"] {
            guard manager.fileExists(atPath: folder) else { continue }
            do {
                for name in try manager.contentsOfDirectory(atPath: folder)
                where AtomicFileWriter.isTemporary(name) {
                    try manager.removeItem(atPath: "\(folder)/\(name)")
                }
            } catch {
                throw MergerError(
                    .storage, "cannot clear what a killed merge left: \(error)", evidence: [folder])
            }
        }
    }

    /// The receipt of a shard whose tar is there and has the receipt's size.
    private func finished(_ shard: Shard) throws(MergerError) -> ShardReceipt? {
        let name = receiptName(shard)
        let records = configuration.records
        do throws(StorageError) {
            guard try records.exists(name), let receipt = ShardReceipt(decoding: try records.read(name))
            else {
                return nil
            }
            let tar = "\(shard.name).tar"
            guard try dataset.exists(tar) else { return nil }
            let size = try ByteReader(opening: dataset.location(of: tar)).identity.size
            return size == receipt.bytes ? receipt : nil
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

    private func path(of name: String) throws(MergerError) -> String {
        do {
            return try dataset.location(of: name)
        } catch {
            throw MergerError(.storage, "cannot name a shard of the dataset", evidence: [name], cause: error)
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
