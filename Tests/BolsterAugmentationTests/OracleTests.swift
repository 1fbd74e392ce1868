import BolsterDataset
import BolsterDeterminism
import Foundation
import Testing

@testable import BolsterAugmentation

@Suite("Bytes as Pillow and torchvision make them", .serialized)
struct OracleTests {
    /// A seed that every run repeats, and one that no run had before; both are printed with a failure.
    static let seeds = [2026, Int.random(in: 0..<1_000_000_000)]

    @Test(
        "Random files decode to Pillow's pixels, or to nothing where Pillow raises",
        .enabled(if: Oracle.hasPillow),
        arguments: seeds)
    func decoding(seed: Int) throws {
        print("decoding oracle: seed \(seed)")
        try Oracle.with("decode", seed: seed, cases: max(300, Oracle.viewCases / 10)) { folder in
            let cases = try Oracle.lines(folder.appendingPathComponent("decode.jsonl"), of: DecodeCase.self)
            let differences = try cases.compactMap {
                try $0.difference(in: folder.appendingPathComponent("images"))
            }
            #expect(differences.isEmpty, "seed \(seed): \(differences.count) of \(cases.count) files")
            for difference in differences.prefix(20) { Issue.record("seed \(seed), \(difference)") }
        }
    }

    @Test("Random views have torchvision's pixels", .enabled(if: Oracle.hasTorchvision), arguments: seeds)
    func views(seed: Int) throws {
        print("view oracle: seed \(seed), \(Oracle.viewCases / 2) cases")
        try Oracle.with("views", seed: seed, cases: Oracle.viewCases / 2) { folder in
            let cases = try Oracle.lines(folder.appendingPathComponent("views.jsonl"), of: ViewCase.self)
            let differences = try differences(of: cases, in: folder)
            #expect(cases.count == Oracle.viewCases / 2)
            #expect(differences.isEmpty, "seed \(seed): \(differences.count) of \(cases.count) views")
            for difference in differences.prefix(20) { Issue.record("seed \(seed), \(difference)") }
        }
    }

    @Test("The golden files have the pixels of Pillow and torchvision")
    func golden() throws {
        let files = try Oracle.lines(
            Oracle.golden.appendingPathComponent("decode.jsonl"), of: DecodeCase.self)
        #expect(files.count > 100)
        let images = Oracle.golden.appendingPathComponent("images")
        for file in files { #expect(try file.difference(in: images) == nil) }
        let views = try Oracle.lines(Oracle.golden.appendingPathComponent("views.jsonl"), of: ViewCase.self)
        #expect(views.count == 300)
        #expect(try differences(of: views, in: Oracle.golden) == [])
    }

    /// What differs, one line a view.
    private func differences(of cases: [ViewCase], in folder: URL) throws -> [String] {
        var images: [String: DecodedImage] = [:]
        var differences: [String] = []
        for view in cases {
            let image: DecodedImage
            if let known = images[view.file] {
                image = known
            } else {
                let file = folder.appendingPathComponent("images").appendingPathComponent(view.file)
                image = try DecodedImage(decoding: [UInt8](Data(contentsOf: file)))
                images[view.file] = image
            }
            if let difference = try view.difference(from: image) { differences.append(difference) }
        }
        return differences
    }
}
