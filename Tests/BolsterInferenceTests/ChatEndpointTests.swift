import BolsterHTTP
import BolsterOracles
import Foundation
import Synchronization
import Testing

@testable import BolsterInference

/// Against a server process of its own (`tools/oracles/chat_server.py`), which checks every request.
@Suite(.serialized) final class ChatEndpointTests {
    private let server: Process
    private let root: String
    private let client = HTTPClient()
    private static let key = "sk-secret-1234"

    init() throws {
        server = Process()
        server.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let program = Python.checkout.appendingPathComponent("tools/oracles/chat_server.py").path
        server.arguments = [Python.interpreter, program, "--key", Self.key]
        let output = Pipe()
        server.standardOutput = output
        try server.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        root = "http://127.0.0.1:\(line.trimmingCharacters(in: .whitespacesAndNewlines))"
    }

    deinit {
        // A child of a dispatch thread inherits its blocked SIGTERM.
        kill(server.processIdentifier, SIGKILL)
        server.waitUntilExit()
    }

    private struct Statistics: Decodable {
        let statuses: [String: Int]
        let violations: [String]
        let most: Int
        let seeds: [Int]
    }

    private func statistics() throws -> Statistics {
        let response = try client.send(HTTPRequest(url: root + "/stats"))
        return try JSONDecoder().decode(Statistics.self, from: Data(response.body))
    }

    private func faults(_ json: String) throws {
        _ = try client.send(HTTPRequest(method: "POST", url: root + "/faults", body: Array(json.utf8)))
    }

    private func endpoint(_ change: (inout ChatEndpoint.Settings) -> Void = { _ in }) -> ChatEndpoint {
        var settings = ChatEndpoint.Settings(
            url: root + "/v1", modelID: "tiny-vlm", apiKey: Self.key, temperature: 0.7, topP: 0.9,
            maxTokens: 64, timeout: .seconds(1), attempts: 3, outage: .seconds(20))
        change(&settings)
        return ChatEndpoint(settings)
    }

    /// A picture of the repository, and others like it that differ in their last byte.
    private func image(_ number: UInt8 = 0) throws -> ChatEndpoint.Image {
        let file = Python.checkout.appendingPathComponent("manifests/demo/pictures/000300036.jpg")
        return .init(bytes: Array(try Data(contentsOf: file)) + [number], mediaType: "image/jpeg")
    }

    @Test("A strict server finds nothing wrong with a question, and its words and counts come back")
    func plain() throws {
        let answer = try endpoint().ask("Describe it.", about: image(), seed: 77)
        guard case .text(let text, ChatCounts(prompt: 100, completion: 12), isCut: false) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(text.hasPrefix("\n A drawing "))
        #expect(text.contains("for 12 letters and seed 77. It has a second"))
        #expect(try statistics().violations == [])
        #expect(try statistics().seeds == [77])
    }

    @Test(
        "What passes is tried again",
        arguments: [
            "broken", "cut", "garbage", "busy", "loading", "slow", "later", "wrapped", "none", "huge", "echo",
            "drip", "reset",
        ])
    func passing(fault: String) throws {
        try faults("{\"\(fault)\": [1, 1]}")
        let answer = try endpoint().ask("Describe it.", about: image(), seed: 1)
        guard case .text = answer else {
            Issue.record("\(fault): \(answer)")
            return
        }
        #expect(try statistics().statuses["200"] == 1)
    }

    @Test("What does not pass is given up with the server's words, after the stated tries, without the key")
    func lasting() throws {
        try faults("{\"broken\": [1, 100]}")
        guard case .failed(let message) = try endpoint().ask("?", about: image(), seed: 1) else {
            Issue.record("a broken server was not given up")
            return
        }
        #expect(message.contains("answered 500: broken") && message.contains("3 tries"), "\(message)")
        #expect(!message.contains(Self.key) && message.contains("(the key)"), "\(message)")
        #expect(try statistics().statuses["500"] == 3)
        try faults("{\"refused\": [1, 100]}")
        guard case .refused = try endpoint().ask("?", about: image(), seed: 1) else {
            Issue.record("a refused request was not told apart")
            return
        }
        #expect(try statistics().statuses == ["400": 1])
    }

    @Test("An answer of another form is understood, and counts that make no sense count nothing")
    func otherForms() throws {
        let counts = ["parts": ChatCounts(prompt: 100, completion: 12), "odd": ChatCounts()]
        for (fault, counts) in counts {
            try faults("{\"\(fault)\": [1, 100]}")
            let answer = try endpoint().ask("Describe it.", about: image(), seed: 3)
            guard case .text(let text, let told, isCut: false) = answer else {
                Issue.record("\(fault): \(answer)")
                continue
            }
            #expect(text.contains("A drawing") && told == counts, "\(fault): \(answer)")
        }
    }

    @Test("A refusal and an endless text are the sample's; a server's words are one line without orders")
    func words() throws {
        try faults("{\"declined\": [1, 100]}")
        #expect(
            try endpoint().ask("?", about: image(), seed: 1)
                == .refused("the model refused: I cannot describe [2J people."))
        try faults("{\"long\": [1, 100]}")
        guard case .failed(let long) = try endpoint().ask("?", about: image(), seed: 1) else {
            Issue.record("a text of 100 KB was taken")
            return
        }
        #expect(long.contains("100000 bytes of text"), "\(long)")
        for fault in ["wrapped", "terminal", "echo", "broken"] {
            try faults("{\"\(fault)\": [1, 100]}")
            guard case .failed(let message) = try endpoint().ask("?", about: image(), seed: 1) else {
                Issue.record("\(fault) was not given up")
                continue
            }
            // Nothing of the key, not its beginning either.
            #expect(!message.contains(Self.key.prefix(6)), "\(message)")
            #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 }, "\(message)")
        }
    }

    @Test("A busy server is left alone as long as it asks, and given up when that is too long")
    func busy() throws {
        try faults("{\"busy\": [1, 2]}")
        let began = ContinuousClock.now
        guard case .text = try endpoint().ask("?", about: image(), seed: 1) else {
            Issue.record("a busy server was given up")
            return
        }
        #expect(ContinuousClock.now - began >= .seconds(2))
        try faults("{\"busy\": [1, 100]}")
        let impatient = endpoint { $0.outage = .milliseconds(1500) }
        guard case .down(let message) = try impatient.ask("?", about: image(), seed: 1) else {
            Issue.record("a server that is always busy was not given up")
            return
        }
        #expect(message.contains("answered 429"), "\(message)")
    }

    @Test("A wrong key, a wrong model and a server that is not there are faults of the endpoint")
    func misconfigured() throws {
        let wrongKey = endpoint { $0.apiKey = "another" }
        guard case .misconfigured(let message) = try wrongKey.ask("?", about: image(), seed: 1) else {
            Issue.record("a wrong key was not told")
            return
        }
        #expect(message.contains("401") && !message.contains("another"), "\(message)")
        guard
            case .misconfigured = try endpoint({ $0.modelID = "other" }).ask("?", about: image(), seed: 1),
            case .down = try endpoint({
                $0.url = "http://127.0.0.1:9/v1"
                $0.outage = .seconds(1)
            }).ask("?", about: image(), seed: 1)
        else {
            Issue.record("a wrong model or address was not told")
            return
        }
    }

    @Test("What stands at a wrong address is shown, with what to look at")
    func wrongAddress() throws {
        try faults("{\"garbage\": [1, 100]}")
        guard case .failed(let page) = try endpoint().ask("?", about: image(), seed: 1) else {
            Issue.record("a web page was taken for an answer")
            return
        }
        #expect(page.contains("<html>gateway</html>") && page.contains("base URL"), "\(page)")
        #expect(!page.contains("Decoding"), "\(page)")
        for (path, hint) in [("", "/v1"), ("/v1/chat/completions", "/v1")] {
            let wrong = endpoint { $0.url = root + path }
            guard case .misconfigured(let message) = try wrong.ask("?", about: image(), seed: 1) else {
                Issue.record("a wrong path was not told")
                continue
            }
            #expect(message.contains("\(path)/chat/completions answered 404"), "\(message)")
            #expect(message.contains(hint) && message.contains("model_id"), "\(message)")
        }
        try faults("{\"moved\": [1, 100]}")
        guard case .misconfigured(let message) = try endpoint().ask("?", about: image(), seed: 1) else {
            Issue.record("a redirect was not told")
            return
        }
        #expect(message.contains("redirects to https://elsewhere.example/v1"), "\(message)")
    }

    @Test("A server that is too slow is given up with the two settings that may help")
    func slow() throws {
        try faults("{\"slow\": [1, 100]}")
        let endpoint = endpoint { $0.attempts = 1 }
        guard case .failed(let message) = try endpoint.ask("?", about: image(), seed: 1) else {
            Issue.record("a slow server was not given up")
            return
        }
        #expect(message.contains("timeout") && message.contains("concurrency"), "\(message)")
    }

    @Test("Many threads ask at once, each gets its own answer, and none is lost to faults that pass")
    func manyThreads() throws {
        try faults("{\"broken\": [3, 1], \"busy\": [24, 1], \"cut\": [5, 1]}")
        let endpoint = endpoint()
        let texts = Mutex<[Int: String]>([:])
        let image = try image()
        DispatchQueue.concurrentPerform(iterations: 24) { index in
            let one = ChatEndpoint.Image(bytes: image.bytes + [UInt8(index)], mediaType: "image/jpeg")
            if case .text(let text, _, _) = endpoint.ask("Describe it.", about: one, seed: index) {
                texts.withLock { $0[index] = text }
            }
        }
        let all = texts.withLock { $0 }
        #expect(all.count == 24)
        #expect(all.allSatisfy { $1.contains("seed \($0).") })
        #expect(try statistics().violations == [])
    }

    @Test("A cancelled endpoint lets its threads go at once")
    func cancelled() throws {
        let endpoint = endpoint { $0.url = "http://127.0.0.1:9/v1" }
        let image = try image()
        let began = ContinuousClock.now
        let thread = Thread {
            Thread.sleep(forTimeInterval: 0.3)
            endpoint.cancel()
        }
        thread.start()
        #expect(endpoint.ask("?", about: image, seed: 1) == .cancelled)
        #expect(ContinuousClock.now - began < .seconds(5))
    }
}
