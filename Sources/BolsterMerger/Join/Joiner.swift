import BolsterDataset
import BolsterDeterminism
import BolsterStorage
import Foundation

/// Joins a published reinforcement set, which has no images, with the shards that have them.
///
/// Equal inputs give equal bytes, whatever the number of threads. A joined shard is there whole or not at
/// all; a join that was interrupted goes on with the first shard that is not finished. A sample whose source
/// is gone is left out and counted.
package struct Joiner: Sendable {
    private static let samplesPerProgress = 1024

    private let configuration: JoinConfiguration
    private let dataset: ObjectStore

    package init(_ configuration: JoinConfiguration) {
        self.configuration = configuration
        dataset = ObjectStore(root: configuration.output)
    }

    /// Joins every shard, or a part's, `threads` of them at a time. Only a join of all shards writes the
    /// files beside them; after parts `close` does.
    package func run(
        threads: Int, part: MergePart? = nil, progress: (MergeProgress) -> Void = { _ in }
    ) throws(MergerError) -> JoinReport {
        let shards = part.map { $0.shards(of: configuration.reinforcements) } ?? configuration.reinforcements
        try checkFormats()
        let boot = try currentBoot()
        let lookup = try Lookup(configuration, shards: shards, threads: threads)
        defer { lookup.copies.releaseAll() }
        let pool = ShardThreads(shards: shards.count, threads: threads, samples: \.input) {
            index, progress throws(MergerError) in
            let shard = shards[index]
            let inputs = JoinReceipt.inputs(
                configuration, shard: shard, sources: lookup.sources(of: shard))
            if let receipt = try kept(shard, inputs: inputs, boot: boot) { return receipt.report }
            return try join(shard, lookup, inputs: inputs, boot: boot) { samples in
                if samples % Self.samplesPerProgress == 0 { progress(samples) }
            }
        }
        let reports = try pool.results { done, samples in
            progress(MergeProgress(shards: shards.count, shardsDone: done, samples: samples))
        }
        let report = JoinReport(reports, damage: lookup.damage)
        if part == nil { try describe(report) }
        return report
    }

    /// Checks that every shard is joined from what is there now, and writes the files beside them.
    package func close() throws(MergerError) -> JoinReport {
        let boot = try currentBoot()
        let lookup = Lookup(unindexed: configuration)
        var reports: [JoinReport.Shard] = []
        var lacking: [String] = []
        for shard in configuration.reinforcements {
            let inputs = JoinReceipt.inputs(configuration, shard: shard, sources: lookup.sources(of: shard))
            if let receipt = try kept(shard, inputs: inputs, boot: boot) {
                reports.append(receipt.report)
            } else {
                lacking.append(shard.name)
            }
        }
        guard lacking.isEmpty else {
            throw MergerError(
                .unfinished,
                "these shards are not joined, or from other shards than are there now: join the parts that "
                    + "hold them again, then close", evidence: lacking)
        }
        let report = JoinReport(reports, damage: [])
        try describe(report)
        return report
    }

    private func join(
        _ shard: Shard, _ lookup: Lookup, inputs: String, boot: String, progress: (Int) -> Void
    ) throws(MergerError) -> JoinReport.Shard {
        let (index, damage) = try lookup.index(for: shard)
        defer { lookup.release(shard) }
        let join = try ShardJoin(
            configuration, shard: shard, index: index,
            sources: SourceFiles(configuration.sources, lookup.copies),
            dataset: dataset)
        var report = try join.run(progress: progress)
        if let damage { report.damage.append(damage) }
        let receipt = JoinReceipt(
            inputs: inputs, boot: configuration.synchronizes || !dataset.isLocal ? "" : boot, report: report)
        do {
            try write(JoinReceipt.name(shard.name), receipt.encoded())
        } catch {
            throw MergerError(.storage, "cannot write the receipt of \(shard.name): \(error)")
        }
        return report
    }

    private func checkFormats() throws(MergerError) {
        let others = (configuration.reinforcements + configuration.sources).filter {
            ShardFormat(ofLocation: $0.location) != .tar
        }
        guard others.isEmpty else {
            throw MergerError(
                .unreadableShard, "only tars are joined (.tar, .tar.gz, .tar.zst)",
                evidence: others.map(\.location))
        }
    }

    private func currentBoot() throws(MergerError) -> String {
        do {
            return try JoinReceipt.currentBoot()
        } catch {
            throw MergerError(.storage, "cannot tell this start of the machine from another", cause: error)
        }
    }

    /// The receipt of a shard that is joined from these inputs and lies there whole.
    private func kept(_ shard: Shard, inputs: String, boot: String) throws(MergerError) -> JoinReceipt? {
        let name = JoinReceipt.name(shard.name)
        let tar = "\(shard.name).tar"
        do throws(StorageError) {
            guard try dataset.exists(name), let receipt = JoinReceipt(decoding: try dataset.read(name)),
                receipt.inputs == inputs, try dataset.exists(tar)
            else { return nil }
            guard try dataset.size(tar) == receipt.report.bytes else { return nil }
            if receipt.boot.isEmpty || receipt.boot == boot { return receipt }
            return try hash(of: tar) == receipt.report.xxh64 ? receipt : nil
        } catch {
            throw MergerError(
                .storage, "cannot look at what is already joined of \(shard.name)", cause: error)
        }
    }

    private func hash(of name: String) throws(StorageError) -> String {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var reader = try ByteReader(opening: dataset.location(of: name))
        var hasher = XXH64Hasher()
        while true {
            let count = try reader.read(into: buffer)
            if count == 0 { return Hexadecimal.text(of: hasher.current()) }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Writes the files beside the shards.
    private func describe(_ report: JoinReport) throws(MergerError) {
        for (name, content) in DatasetDescription(configuration, report).files {
            do throws(StorageError) {
                try write(name, content)
            } catch {
                throw MergerError(.storage, "cannot write \(name) beside the shards", cause: error)
            }
        }
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        var writer = try dataset.writer(name)
        try writer.append(bytes)
        try writer.commit(durably: configuration.synchronizes)
    }
}
