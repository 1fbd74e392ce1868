import Testing

@testable import BolsterDataset

@Suite("Mutated info.json")
struct PeerInfoFuzzTests {
    @Test("A mutated info.json gives names, or is told as damaged")
    func mutations() {
        let text = #"{"name": "a/b", "lengths": {"a/b/00.jsonl": "5", "01.tar": 2}, "totalLength": "7"}"#
        let words = ["{", "}", "\"", ":", ",", "null", "\\u0000", "../", "/"].map { Array($0.utf8) }
        for round in 0..<Mutator.rounds(300) {
            var mutator = Mutator(seed: UInt64(round) + 11)
            let bytes = mutator.mutate(Array(text.utf8), words: words)
            do throws(DatasetError) {
                #expect(try !PeerInfo.shards(bytes, source: "info.json").isEmpty, "round \(round)")
            } catch {
                #expect(error.code == .damagedSelection, "round \(round)")
            }
        }
    }
}
