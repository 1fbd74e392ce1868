import Testing

@testable import BolsterDataset

@Suite("Shard lists")
struct ShardListTests {
    @Test(
        "Ranges and lists expand in order, the last brace fastest",
        arguments: [
            ("a.tar", ["a.tar"]),
            ("{0..2}", ["0", "1", "2"]),
            ("{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]),
            ("{8..010}", ["008", "009", "010"]),
            ("{9..11}", ["9", "10", "11"]),
            ("{a,b}/{0..1}", ["a/0", "a/1", "b/0", "b/1"]),
            ("x{a,b{1..2},}y", ["xay", "xb1y", "xb2y", "xy"]),
            ("{{a,b},{0..1}}", ["a", "b", "0", "1"]),
            ("a,b", ["a,b"]),
            ("\\{a\\}\\,", ["{a}\\,"].map { $0.replacing("\\,", with: ",") }),
        ])
    func expand(pattern: String, names: [String]) throws {
        #expect(try ShardList.expandBraces(pattern) == names)
    }

    @Test(
        "A broken pattern says what is wrong with it",
        arguments: [
            ("a{0..3.tar", "is never closed"), ("a}", "closes nothing"), ("{a}", "neither a range"),
            ("{3..1}", "does not rise"), ("{0..99999999999}", "expands to more than"),
            ("{0..99999999999999999999}", "expands to more than"),
            ("{0..9999}{0..9999}", "expands to more than"),
            (String(repeating: "{", count: 40), "nested over"),
        ])
    func broken(pattern: String, message: String) {
        do {
            _ = try ShardList.expandBraces(pattern)
            Issue.record("passes")
        } catch {
            #expect(error.code == .malformedPattern && error.source == pattern)
            #expect(error.message.contains(message), "\(error)")
        }
    }

    @Test("A list file has a pattern to the line")
    func listFile() {
        #expect(
            ShardList.patterns(ofListFile: "a.tar\r\n\n # no\n#no\n\tb c.tar \n") == ["a.tar", "b c.tar"])
    }

    @Test("A shard's name is its base name up to .tar or .jsonl")
    func names() {
        #expect(Shard.name(ofLocation: "/x.tar/00012.tar") == "00012")
        #expect(Shard.name(ofLocation: "a.b.tar.gz") == "a.b")
        #expect(Shard.name(ofLocation: "s3://b/c.jsonl.zst") == "c")
    }
}
