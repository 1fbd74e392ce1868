import Foundation
import Testing

@testable import BolsterInference

@Suite struct ModelPackageTests {
    @Test(
        "The demo's packages are read", arguments: ["teacher-a", "teacher-b", "captioner-a", "captioner-b"])
    func reads(name: String) throws {
        let package = try TestModels.demo(name)
        #expect(package.kind == (name.hasPrefix("teacher") ? .teacher : .captioner))
        #expect(package.mean.count == 3)
        try package.verifyFiles()
    }

    @Test("A wrong value is told with file, key, value and expectation")
    func wrongValues() throws {
        let changes: [(from: String, to: String, expected: [String])] = [
            ("\"format\": 1", "\"format\": 2", ["format is 2", "expected 1"]),
            (
                "\"kind\": \"teacher\"", "\"kind\": \"pupil\"",
                ["kind is \"pupil\"", "\"teacher\" or \"captioner\""]
            ),
            ("\"precision\": \"fp32\"", "\"precision\": 32", ["precision is 32", "\"fp32\""]),
            ("\"size\": 64", "\"size\": 0", ["image.size is 0", "from 1 to 4096"]),
            ("\"tokenizer\": \"clip_bpe\"", "\"tokenizer\": \"words\"", ["text.tokenizer", "\"wordpiece\""]),
            (
                "\"tokenizer\": \"clip_bpe\"",
                "\"tokenizer\": \"wordpiece\", \"unknown\": 1, \"lowercase\": 1",
                ["text.lowercase is 1", "true or false"]
            ),
            (
                "\"tokenizer\": \"clip_bpe\"",
                "\"tokenizer\": \"byte_level_bpe\", \"special_strip_left\": [\"<mask>\"]",
                ["text.special_strip_left is a list of 1", "texts that special names"]
            ),
            ("\"clean\": \"lower\"", "\"clean\": \"upper\"", ["text.clean is \"upper\"", "\"whitespace\""]),
            ("\"text.onnx\"", "\"other.onnx\"", ["names no \"text.onnx\""]),
            ("\"probe\": \"probe.npz\"", "\"sample\": \"probe.npz\"", ["probe is nothing"]),
        ]
        try TestModels.withCopy(of: "teacher-a") { directory in
            let file = directory + "/model.json"
            let original = try String(contentsOfFile: file, encoding: .utf8)
            for change in changes {
                try #require(original.contains(change.from), "model.json holds \(change.from)")
                try original.replacingOccurrences(of: change.from, with: change.to)
                    .write(toFile: file, atomically: true, encoding: .utf8)
                let error = #expect(throws: InferenceError.self) { try ModelPackage(directory: directory) }
                #expect(error?.message.contains(file) == true)
                for words in change.expected {
                    #expect(error?.message.contains(words) == true, "\(error?.message ?? "") lacks \(words)")
                }
            }
        }
    }

    @Test("A directory without model.json is a clear error")
    func missing() {
        let error = #expect(throws: InferenceError.self) { try ModelPackage(directory: "/nowhere/model") }
        #expect(error?.code == .packageDamaged)
        #expect(error?.message.contains("/nowhere/model/model.json cannot be opened: No such file") == true)
    }

    @Test("model.json that is cut short at any byte is refused")
    func truncations() throws {
        try TestModels.withCopy(of: "teacher-a") { directory in
            let file = directory + "/model.json"
            let original = try Data(contentsOf: URL(fileURLWithPath: file))
            let text = original.prefix(while: { _ in true }).lastIndex(of: UInt8(ascii: "}"))!
            for length in stride(from: 0, to: text, by: 7) {
                try original.prefix(length).write(to: URL(fileURLWithPath: file))
                #expect(throws: InferenceError.self) { try ModelPackage(directory: directory) }
            }
        }
    }

    @Test("One changed bit of a graph is found by its digest")
    func damage() throws {
        try TestModels.withCopy(of: "teacher-a") { directory in
            let file = URL(fileURLWithPath: directory + "/text.onnx")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: file)
            let error = #expect(throws: InferenceError.self) {
                try ModelPackage(directory: directory).verifyFiles()
            }
            #expect(error?.code == .packageDamaged)
            #expect(error?.message.contains("text.onnx has SHA-256") == true)
        }
    }
}
