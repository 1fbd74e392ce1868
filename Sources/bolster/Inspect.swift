import ArgumentParser
import BolsterDataset
import BolsterInference
import BolsterRecords
import BolsterStorage
import Foundation

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is in a record file, a shard, a model package or a ledger.",
        discussion: """
            A record file (.records): its header, its columns and each sample's values or skip reason.
            A shard (.tar): its samples with their files. A folder with a model.json: the package. A \
            coordinator's state folder: the record files that its ledger counts.

              bolster inspect demo-run/records/captions.syn_text/0000/000000-1-1.records --samples 3
              bolster inspect demo-run/state --json
            """)

    @Argument(help: "A record file, a tar shard, a model package's folder, or a ledger's.")
    var file: String

    @Flag(help: "One JSON value instead of text; for a ledger.")
    var json = false

    @Option(help: "How many samples are shown.")
    var samples = 5

    func run() throws {
        try reporting {
            let path = absolutePath(file)
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                throw CommandError("there is no file \(file)")
            }
            if isFolder.boolValue, FileManager.default.fileExists(atPath: path + "/ledger.sqlite") {
                try LedgerListing(stateDirectory: path).show(json: json)
            } else if isFolder.boolValue {
                return PackageListing(try ModelPackage(directory: path)).show()
            } else if InputShards.endings.contains(where: path.hasSuffix) {
                try showShard(path)
            } else {
                try showRecords(path)
            }
            return .done
        }
    }

    private func showShard(_ path: String) throws {
        var source = try ShardSamples(of: path)
        var shown = 0
        while shown < samples, let sample = try source.next() {
            let members = sample.members.map { "\($0.extension) \(bytesText(Int64($0.bytes.count)))" }
            print(
                "\(sample.key)  bytes \(sample.start)..<\(sample.end)  \(members.joined(separator: ", "))")
            shown += 1
        }
    }

    private func showRecords(_ path: String) throws {
        let folder = (path as NSString).deletingLastPathComponent
        let name = (path as NSString).lastPathComponent
        let bytes = try ObjectStore(root: folder).read(name)
        let record = try RecordFile(decoding: bytes, name: file)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(record.header), as: UTF8.self))
        for column in record.columns {
            switch column.content {
            case .text: print("column \(column.name): text")
            case .tensor(let type, let rows, let width, let bytes):
                print(
                    "column \(column.name): \(type.rawValue) [\(rows.reduce(0, +)), \(width)], "
                        + "\(bytesText(Int64(bytes.count)))"
                )
            }
        }
        for index in record.keys.indices.prefix(samples) {
            if let skip = record.skips[index] {
                print("\(record.keys[index])  skipped: \(skip.reason) \(skip.detail)")
                continue
            }
            for column in record.columns {
                switch column.content {
                case .text(let texts): print("\(record.keys[index])  \(column.name) \(texts[index])")
                case .tensor(_, let rows, let width, _):
                    print("\(record.keys[index])  \(column.name) [\(rows[index]), \(width)]")
                }
            }
        }
    }
}
