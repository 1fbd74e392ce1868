import BolsterDeterminism
import Testing

@testable import BolsterDataset

@Suite("Captioners behind an endpoint")
struct EndpointSettingsTests {
    /// A manifest of one captioner with these lines.
    private func parse(_ lines: String...) -> Result<Manifest.CaptionerSettings, ManifestErrors> {
        let text =
            """
            name: n
            seed: 7
            input: {shards: a.tar}
            output: o
            captioners:
              - name: vlm

            """ + lines.map { "    \($0)\n" }.joined()
        return Result { () throws(ManifestErrors) in
            try Manifest.parse(text, file: "n.yaml").captioners[0]
        }
    }

    private static let asked = ["endpoint: http://c:8000/v1/", "model_id: m", "prompt: Describe it."]

    @Test("What is left out has a default, and one prompt makes one caption")
    func defaults() throws {
        let captioner = try parse("endpoint: http://c:8000/v1/", "model_id: m", "prompt: Describe it.").get()
        #expect(captioner.model == nil && captioner.captions == 1 && captioner.keep == .firstSentence)
        #expect(
            captioner.endpoint
                == EndpointSettings(url: "http://c:8000/v1", modelID: "m", prompts: ["Describe it."]))
        #expect(captioner.endpoint?.keyVariable == nil && captioner.endpoint?.concurrency == 16)
    }

    @Test("Everything may be said")
    func whole() throws {
        let captioner = try parse(
            "endpoint: https://h/v1", "model_id: a/b", "prompt: [One., Two.]", "captions: 4",
            "keep: everything", "sampling: {temperature: 0.7, top_p: 0.9, max_tokens: 64, seed: 3}",
            "concurrency: 32", "timeout: 30", "attempts: 4", "outage: 240", "key_variable: MY_KEY"
        ).get()
        #expect(
            captioner
                == Manifest.CaptionerSettings(
                    name: "vlm",
                    endpoint: EndpointSettings(
                        url: "https://h/v1", modelID: "a/b", prompts: ["One.", "Two."],
                        sampling: .init(temperature: 0.7, topP: 0.9, maxTokens: 64, seed: 3),
                        concurrency: 32, timeout: .seconds(30), attempts: 4, outage: .seconds(240),
                        keyVariable: "MY_KEY"),
                    captions: 4, keep: .everything))
    }

    @Test(
        "A mistake is told with what was expected",
        arguments: [
            ("endpoint: c:8000/v1", "the server's base URL"),
            ("endpoint: http://user:secret@c/v1", "holds a user or password"),
            ("endpoint: http://c/v1?key=1", "the server's base URL"),
            ("endpoint: http://c/v1/chat/completions", "is appended to it"),
            ("endpoint: http://c/v1/chat/completions/", "is appended to it"),
            ("prompt: []", "what the model is asked"),
            ("prompt: [a, b]\n    captions: 1", "leave some of the 2 prompts unused"),
            ("key_variable: sk-123456", "never the key"),
            ("concurrency: 0", "from 1 to 512"),
            ("sampling: {temprature: 1}", "did you mean 'temperature'?"),
            ("batch: 4", "belongs to a captioner with a model package"),
            ("model: m", "belongs to a captioner with a model package"),
        ])
    func mistakes(line: String, message: String) {
        let key = line.prefix { $0 != ":" } + ":"
        let lines = Self.asked.filter { !$0.hasPrefix(key) } + [line]
        guard case .failure(let errors) = parse(lines.joined(separator: "\n    ")) else {
            Issue.record("\(line) was accepted")
            return
        }
        #expect("\(errors)".contains(message), "\(errors)")
        let secrets = ["secret", "123456"]
        #expect(!secrets.contains { "\(errors)".contains($0) }, "a secret is repeated: \(errors)")
    }

    @Test("A request that may outlast the lease's patience is a mistake")
    func patience() throws {
        guard case .failure(let errors) = parse(Self.asked[0], Self.asked[1], Self.asked[2], "timeout: 200")
        else {
            Issue.record("three tries of 200 s were accepted beside 300 s without progress")
            return
        }
        #expect("\(errors)".contains("leases.progress"), "\(errors)")
        #expect(throws: Never.self) {
            try parse(Self.asked[0], Self.asked[1], Self.asked[2], "timeout: 200", "attempts: 1").get()
        }
    }

    @Test("The fingerprint covers what the model is asked, not where, how often or how patiently")
    func fingerprint() throws {
        func digest(_ change: (inout Manifest.CaptionerSettings) -> Void) -> SHA256Digest {
            var captioner = Manifest.CaptionerSettings(
                name: "vlm", endpoint: EndpointSettings(url: "http://a/v1", modelID: "m", prompts: ["p"]),
                captions: 1)
            change(&captioner)
            let manifest = Manifest(
                name: "n", seed: 1, input: .init(shards: ["a"]), output: "o", captioners: [captioner])
            return manifest.stages(modelDigests: [:])[0].fingerprint
        }
        let first = digest { _ in }
        #expect(digest { $0.endpoint?.url = "http://b/v1" } == first)
        #expect(digest { $0.endpoint?.concurrency = 1 } == first)
        #expect(digest { $0.endpoint?.timeout = .seconds(1) } == first)
        #expect(digest { $0.endpoint?.keyVariable = "K" } == first)
        #expect(digest { $0.endpoint?.sampling.seed = 1 } == first)
        #expect(digest { $0.endpoint?.sampling.seed = 2 } != first)
        #expect(digest { $0.endpoint?.modelID = "n" } != first)
        #expect(digest { $0.endpoint?.prompts = ["p", "q"] } != first)
        let two = digest { $0.endpoint?.prompts = ["p", "q"] }
        #expect(digest { $0.endpoint?.prompts = ["p\nprompt q"] } != two)
        #expect(digest { $0.endpoint?.sampling.maxTokens = 9 } != first)
        #expect(digest { $0.captions = 2 } != first)
        #expect(digest { $0.keep = .everything } != first)
    }
}
