import BolsterDeterminism
import Foundation
import Testing

@testable import BolsterDataset

/// The manifests that the repository ships.
private enum ReadyManifests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("manifests").resolvingSymlinksInPath()

    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }.sorted()
    }

    static func parse(_ name: String) throws -> Manifest {
        let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        return try Manifest.parse(text, file: name)
    }
}

@Suite("The manifests that come with Bolster")
struct ReadyManifestTests {
    @Test("Each parses, is called as its file is, and has stages")
    func parse() throws {
        let names = try ReadyManifests.names()
        #expect(names.count >= 6, "\(names)")
        for name in names {
            let manifest = try ReadyManifests.parse(name)
            #expect(manifest.name + ".yaml" == name)
            let digests = Dictionary(
                uniqueKeysWithValues: manifest.models.map { ($0, SHA256Hasher.digest(of: $0)) })
            #expect(!manifest.stages(modelDigests: digests).isEmpty)
        }
    }

    @Test("The published sets have their shards, views, teachers and captions")
    func published() throws {
        let small = try ReadyManifests.parse("datacompdr-12m.yaml")
        #expect(try small.input.shards.flatMap { try ShardList.expandBraces($0) }.count == 1024)
        #expect(small.ensemble?.views == 30 && small.ensemble?.teachers.count == 2)
        #expect(small.captioners.map(\.column) == ["syn_text"] && small.captioners[0].captions == 5)
        let large = try ReadyManifests.parse("datacompdr-1b.yaml")
        #expect(try large.input.shards.flatMap { try ShardList.expandBraces($0) }.count == 65536)
        #expect(large.ensemble?.views == 10 && large.ensemble?.teachers == small.ensemble?.teachers)
        #expect(try ReadyManifests.parse("dfndr-2b.yaml").ensemble?.views == 2)
    }

    @Test("The single-purpose ones have the stages that they are called after")
    func singlePurpose() throws {
        #expect(
            try ReadyManifests.parse("captions-only.yaml").stageIDs.map(\.name) == ["captions.syn_text_coca"])
        #expect(try ReadyManifests.parse("embeddings-only.yaml").stageIDs == [.views, .groundTruth])
    }
}
