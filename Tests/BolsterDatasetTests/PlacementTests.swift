import BolsterDeterminism
import Testing

@testable import BolsterDataset

@Suite("Manifest: placement") struct ManifestPlacementTests {
    private func mistakeTexts(_ placement: String) -> [String] {
        mistakes(manifest(adding: "placement: \(placement)")).map { "\($0)" }
    }

    @Test("Labels are read by stage, one or a list, and decide no fingerprint") func labels() throws {
        let plain = try Manifest.parse(manifest(), file: "m.yaml")
        let placed = try Manifest.parse(
            manifest(adding: "placement: {captions.syn_text_coca: [a100, \"cuda:0\"]}"), file: "m.yaml")
        #expect(
            placed.placement == ["captions.syn_text_coca": ["a100", "cuda:0"]] && plain.placement.isEmpty)
        let one = try Manifest.parse(
            manifest(adding: "placement: {captions.syn_text_coca: cuda}"), file: "m.yaml")
        #expect(one.placement == ["captions.syn_text_coca": ["cuda"]])
        let digests = ["m": SHA256Hasher.digest(of: "m")]
        let fingerprints = [plain, placed].map { $0.stages(modelDigests: digests).map(\.fingerprint) }
        #expect(fingerprints[0] == fingerprints[1])
    }

    @Test("A stage that the run has not, and a label that no worker can say, are mistakes") func wrong() {
        #expect(mistakeTexts("{captions.syn_text_cola: a}").first?.contains("captions.syn_text_coca") == true)
        #expect(mistakeTexts("{captions.syn_text_coca: [\"a b\"]}").count == 1)
        #expect(mistakeTexts("[a]").count == 1)
    }
}
