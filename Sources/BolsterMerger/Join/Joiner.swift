import BolsterDataset
import BolsterDeterminism
import BolsterRecords
import BolsterStorage
import Foundation
import Synchronization

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
        try checkSources()
        let boot = try currentBoot()
        let lookup = try Lookup(configuration, shards: shards, threads: threads)
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
        let join = try ShardJoin(
            configuration, shard: shard, index: index, sources: SourceFiles(configuration.sources),
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

    /// Sources are read at any place, and by uid the published shards are read twice.
    private func checkSources() throws(MergerError) {
        let sought =
            configuration.sources + (configuration.field == nil ? [] : configuration.reinforcements)
        let others = sought.filter { !$0.location.hasSuffix(".tar") || !$0.location.hasPrefix("/") }
        guard others.isEmpty else {
            throw MergerError(
                .unreadableShard,
                "these shards are read at any place, so they must be plain tars on a mounted file system: "
                    + "unpack or copy them first", evidence: others.map(\.location))
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

    /// `join.json`, `sizes.json` and `manifest.jsonl`, as a merge writes the latter two.
    private func describe(_ report: JoinReport) throws(MergerError) {
        let files: [(String, JSONValue)] = [
            ("join.json", json(report)),
            ("sizes.json", .object(report.shards.map { .init("\($0.shard).tar", .number($0.joined)) })),
        ]
        var lines: [UInt8] = []
        for shard in report.shards {
            let line = JSONValue.object([
                .init("shard", .string(shard.shard)), .init("file", .string("\(shard.shard).tar")),
                .init("num_uids", .number(shard.joined)), .init("bytes", .number(Int(shard.bytes))),
                .init("xxh64", .string(shard.xxh64)),
            ])
            lines += PythonJSON.bytes(of: line) + [0x0A]
        }
        do throws(StorageError) {
            for (name, value) in files { try write(name, PythonJSON.bytes(of: value) + [0x0A]) }
            try write("manifest.jsonl", lines)
        } catch {
            throw MergerError(.storage, "cannot write beside the joined shards", cause: error)
        }
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        var writer = try dataset.writer(name)
        try writer.append(bytes)
        try writer.commit(durably: configuration.synchronizes)
    }

    private func json(_ report: JoinReport) -> JSONValue {
        func counts(_ input: Int, _ joined: Int, _ missing: Int) -> [JSONValue.Field] {
            [
                .init("input", .number(input)), .init("joined", .number(joined)),
                .init("missing", .number(missing)),
            ]
        }
        let shards = report.shards.map { shard in
            JSONValue.object(
                [.init("shard", .string(shard.shard))] + counts(shard.input, shard.joined, shard.missing)
                    + [
                        .init("without_image", .number(shard.withoutImage)),
                        .init("damage", .array(shard.damage.map { .string($0) })),
                    ])
        }
        return .object([
            .init("format", .number(1)),
            .init("by", .string(configuration.field.map { "uid \($0)" } ?? "key")),
            .init("unpack_parameters", .bool(configuration.unpacksParameters)),
            .init("total", .object(counts(report.input, report.joined, report.missing))),
            .init("damage", .array(report.damage.map { .string($0) })), .init("shards", .array(shards)),
        ])
    }
}
