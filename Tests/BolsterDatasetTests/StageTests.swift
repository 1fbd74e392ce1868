import BolsterDeterminism
import Testing

@testable import BolsterDataset

@Suite("Stages and their fingerprints")
struct StageTests {
    let manifest: Manifest
    let digests: [String: SHA256Digest]

    init() throws {
        manifest = try Manifest.parse(wholeManifest, file: "m.yaml")
        digests = Dictionary(uniqueKeysWithValues: manifest.models.map { ($0, SHA256Hasher.digest(of: $0)) })
    }

    /// The names of the stages whose fingerprint differs from the whole manifest's.
    private func changed(_ change: (inout Manifest) -> Void) -> Set<String> {
        var other = manifest
        change(&other)
        return changed(other.stages(modelDigests: digests))
    }

    private func changed(_ stages: [Stage]) -> Set<String> {
        let before = manifest.stages(modelDigests: digests)
        return Set(zip(before, stages).filter { $0.fingerprint != $1.fingerprint }.map(\.0.id.name))
    }

    private let captions: Set = ["captions.syn_text_coca", "captions.syn_text"]
    private let captionTexts: Set = ["texts.syn_text_coca", "texts.syn_text"]

    @Test("Each stage comes after the one it reads")
    func order() {
        let stages = manifest.stages(modelDigests: digests)
        #expect(
            stages.map(\.id.name) == [
                "captions.syn_text_coca", "captions.syn_text", "views", "texts.ground_truth",
                "texts.syn_text_coca",
                "texts.syn_text",
            ])
        #expect(
            stages.map(\.reads?.name) == [nil, nil, nil, nil, "captions.syn_text_coca", "captions.syn_text"])
        #expect(stages.map(\.id) == manifest.stageIDs)
        #expect(stages[5].kind == .captionTexts(captioner: 1))
    }

    @Test("Only the captions that match are embedded, and none without an ensemble")
    func matching() {
        var other = manifest
        other.ensemble?.captions = "^syn_text$"
        #expect(other.stageIDs.suffix(2).map(\.name) == ["texts.ground_truth", "texts.syn_text"])
        other.ensemble = nil
        #expect(
            other.stages(modelDigests: digests).map(\.id.name) == [
                "captions.syn_text_coca", "captions.syn_text",
            ])
    }

    @Test("A selection changes every stage that reads the input, by its uids and not by its file")
    func selection() throws {
        func stages(_ uids: String, file: String = "s.txt", field: String = "uid") throws -> [Stage] {
            var other = manifest
            other.input.keep = .init(uids: file, field: field)
            return other.stages(
                modelDigests: digests,
                selection: SampleSelection(field: field, uids: try UIDSet(file: file, Array(uids.utf8))))
        }
        #expect(try changed(stages("a\nb")) == Set(manifest.stageIDs.map(\.name)))
        #expect(try stages("a\nb") == stages("b\n\na\n", file: "other.txt"))
        #expect(try stages("a\nb") != stages("a"))
        #expect(try stages("a\nb") != stages("a\nb", field: "sha256"))
    }

    @Test("Where and how fast changes no stage")
    func unchanging() {
        #expect(
            changed {
                $0.name = "other"
                $0.output = "/elsewhere"
                $0.input.shards = ["/corpus/*.tar"]
                $0.input.keepCaptions = []
                $0.captioners[0].batch = 1
                $0.ensemble?.batch = 1
                $0.merge = .init(layout: .split)
                $0.leases.attempts = 9
            } == [])
    }

    @Test("A seed changes what draws: captions, what reads them, and views")
    func seed() {
        #expect(changed { $0.seed = 1 } == captions.union(captionTexts).union(["views"]))
    }

    @Test("A chunk size changes all")
    func chunk() {
        #expect(changed { $0.chunk = 512 }.count == 6)
    }

    @Test("A captioner's settings change its captions and their texts")
    func captioner() {
        let own: Set = ["captions.syn_text_coca", "texts.syn_text_coca"]
        #expect(changed { $0.captioners[0].captions = 4 } == own)
        #expect(changed { $0.captioners[0].keep = .everything } == own)
        #expect(changed { $0.captioners[0].decoding.topP = 0.8 } == own)
        #expect(changed { $0.captioners[0].decoding.temperature = 0.8 } == own)
        #expect(changed { $0.captioners[0].decoding.minLength = 4 } == own)
        #expect(changed { $0.captioners[0].decoding.maxLength = 31 } == own)
        #expect(changed { $0.captioners[0].decoding.repetitionPenalty = 1.1 } == own)
        #expect(changed { $0.captioners[0].decoding.method = .greedy } == own)
        #expect(changed { $0.captioners[0].decoding.topK = 7 } == [], "unused by top_p")
        #expect(changed { $0.captioners[1].decoding.topK = 7 } == ["captions.syn_text", "texts.syn_text"])
    }

    @Test("A captioner's name changes the stage's name and not what it makes")
    func captionerName() {
        #expect(changed { $0.captioners[0].name = "renamed" } == [])
    }

    @Test("An augmentation and the count of views change the views alone")
    func augmentation() {
        #expect(changed { $0.ensemble?.views = 9 } == ["views"])
        #expect(changed { $0.ensemble?.augmentation.randAugment = nil } == ["views"])
        #expect(
            changed { $0.ensemble?.augmentation.randomResizedCrop?.interpolation = .bilinear } == ["views"])
        #expect(changed { $0.ensemble?.augmentation.randomResizedCrop?.scale = 0.1...1 } == ["views"])
        #expect(changed { $0.ensemble?.augmentation.horizontalFlip = 0.5 } == ["views"])
        #expect(
            changed { $0.ensemble?.augmentation.normalize = nil } == [], "the trainer's, not the teachers'")
    }

    @Test("The store type, and the teachers and their order, change all that the ensemble makes")
    func ensemble() {
        let own = captionTexts.union(["views", "texts.ground_truth"])
        #expect(changed { $0.ensemble?.store = .fp32 } == own)
        #expect(changed { $0.ensemble?.teachers.reverse() } == own)
    }

    @Test("A model's digest changes the stages that use it, and its path does not")
    func modelDigests() {
        var other = digests
        other["models/other"] = SHA256Hasher.digest(of: "changed")
        #expect(changed(manifest.stages(modelDigests: other)) == ["captions.syn_text", "texts.syn_text"])
        var moved = manifest
        moved.captioners[1].model = "/elsewhere"
        other["/elsewhere"] = digests["models/other"]
        #expect(changed(moved.stages(modelDigests: other)) == [])
    }

    @Test("The fingerprints of a fixed manifest stay what they are")
    func golden() {
        let golden = ["5af19173", "d2463475", "ce54578b", "54636c93", "7e90c535", "d6b4c8db"]
        let stages = manifest.stages(modelDigests: digests)
        #expect(stages.map { String($0.fingerprint.hex.prefix(8)) } == golden)
    }
}
