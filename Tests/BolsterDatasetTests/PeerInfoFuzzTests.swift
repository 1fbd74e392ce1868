import Testing

@testable import BolsterDataset

@Suite("Mutated info.json")
struct PeerInfoFuzzTests {
    @Test("A mutated info.json gives names, or is told as damaged")
    func mutations() {
        let text = #"{"name": "a/b", "lengths": {"a/b/00.jsonl": "5", "01.tar": 2}, "totalLength": "7"}"#
        let words = ["{", "}", "\"", ":", ",", "null", "\\u0000", "../", "/"].map { Array($0.utf8) }
        for input in FuzzedInputs("info", of: Array(text.utf8), words: words, rounds: 300, salt: 11) {
            let bytes = input.bytes
            do throws(DatasetError) {
                #expect(try !PeerInfo.shards(bytes, source: "info.json").isEmpty, "\(input.name)")
            } catch {
                #expect(error.code == .damagedSelection, "\(input.name)")
            }
        }
    }
}
