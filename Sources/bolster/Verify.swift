import ArgumentParser
import BolsterMerger
import Foundation

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a merged dataset: structure, shapes, norms, duplicates, counts.",
        discussion: "Exit code 0 without a fault, 2 with any; every fault names its shard and key.")

    @Argument(help: "The dataset's folder.")
    var directory: String

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let report = try DatasetVerifier().verify(directory: absolutePath(directory))
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
            } else {
                print(report.summary)
            }
            return report.isGood ? .done : .faulty
        }
    }
}
