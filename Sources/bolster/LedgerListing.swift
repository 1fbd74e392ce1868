import BolsterCoordinator
import BolsterDataset
import Foundation

/// The committed record files of a ledger, for people and for programs that check them.
struct LedgerListing: Encodable {
    struct Commit: Encodable {
        let stage: String
        let shard: String
        let chunk: Int
        /// The record file's name in the output.
        let file: String
        /// XXH64 of the file, 16 hexadecimal digits.
        let xxh64: String
        let samples: Int
        let skipped: Int
        /// "finished", "open" or "quarantined": the unit that it belongs to.
        let unit: String
    }

    let run: String
    let commits: [Commit]

    init(stateDirectory: String) throws {
        let ledger = try LedgerReader(stateDirectory: stateDirectory)
        run = ledger.run
        var commits: [Commit] = []
        for stage in ledger.stageNames {
            for (index, shard) in ledger.shards.enumerated() {
                guard let records = try ledger.records(stage: stage, shard: index) else { continue }
                let (state, files) =
                    switch records {
                    case .finished(let files): ("finished", files)
                    case .open(let files): ("open", files)
                    case .quarantined(_, let files): ("quarantined", files)
                    }
                commits += files.map { file in
                    let digits = String(file.digest, radix: 16)
                    return Commit(
                        stage: stage, shard: shard, chunk: file.chunk, file: file.file,
                        xxh64: String(repeating: "0", count: 16 - digits.count) + digits,
                        samples: file.samples, skipped: file.skipped, unit: state)
                }
            }
        }
        self.commits = commits
    }

    func show(json: Bool) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return print(String(decoding: try encoder.encode(self), as: UTF8.self))
        }
        for commit in commits {
            print("\(commit.file)  \(commit.xxh64)  \(commit.samples) samples, \(commit.skipped) skipped")
        }
        print("\(commits.count) record files of \(run)")
    }
}
