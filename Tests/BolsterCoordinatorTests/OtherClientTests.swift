import BolsterLeasing
import BolsterMessaging
import BolsterOracles
import Foundation
import Logging
import Testing

@testable import BolsterCoordinator

/// A coordinator with keys, and another program's ZeroMQ (pyzmq) at the other end of the wire.
@Suite("Another ZeroMQ client", .serialized, .enabled(if: OtherClient.exists, "needs Python with pyzmq"))
struct OtherClientTests {
    private let folder = TemporaryFolder()
    private let lines = LogLines()
    private let server: CurveKeyPair
    private let allowed: CurveKeyPair
    private let other: CurveKeyPair
    private let list: String

    init() throws {
        server = try KeyStore.create(at: folder.path + "/server")
        allowed = try KeyStore.create(at: folder.path + "/allowed-key")
        other = try KeyStore.create(at: folder.path + "/other-key")
        list = folder.path + "/allowed"
        try KeyStore.allow(allowed.publicKey, name: "a", isOperator: true, in: list)
        try KeyStore.allow(other.publicKey, name: "b", in: list)
    }

    private func start() throws -> (Coordinator, Running<Coordinator.Outcome>) {
        var configuration = configuration(in: folder)
        configuration.security = ServerSecurity(keys: server, allowed: try AllowList(path: list))
        configuration.log = Logger(label: "test") { [lines] _ in lines.handler }
        let coordinator = try Coordinator(configuration)
        return (coordinator, Running { try coordinator.run { _ in } })
    }

    private func ask(_ coordinator: Coordinator, _ keys: CurveKeyPair?, _ input: [String]) throws
        -> [CoordinatorFrame]
    {
        let names =
            keys.map { [server.publicKey.text, $0.publicKey.text, $0.secretKey.text] } ?? ["-", "-", "-"]
        return try OtherClient.run([coordinator.endpoint] + names + ["identity"], input).map {
            try CoordinatorFrame.decode($0)
        }
    }

    /// What the coordinator says that it has refused.
    private func refused(_ coordinator: Coordinator) throws -> [RefusalKind: Int] {
        // The socket's own counts are told at each tick.
        Thread.sleep(forTimeInterval: 0.4)
        let answers = try ask(coordinator, allowed, [line(.statusRequest)])
        guard case .statusReply(let status)? = answers.first?.message else {
            Issue.record("\(answers)")
            return [:]
        }
        return status.refused
    }

    private func line(_ message: WorkerMessage, version: UInt8 = 1, generation: UInt64 = 0) -> String {
        var bytes = WorkerFrame(
            worker: WorkerID("w"), incarnation: 1, generation: generation, message: message
        ).encode()
        bytes[1] = version
        return OtherClient.hexadecimal(bytes)
    }

    private static let hello = WorkerMessage.hello(
        Hello(host: "h", labels: [], device: "cpu", computeClass: "c", program: "pyzmq"))

    @Test("An allowed key is answered") func allowedKey() throws {
        let (coordinator, running) = try start()
        let answers = try ask(coordinator, allowed, [line(Self.hello), line(.statusRequest)])
        guard answers.count == 2, case .welcome = answers[0].message, case .statusReply = answers[1].message
        else {
            Issue.record("\(answers)")
            return
        }
        coordinator.stop()
        _ = try running.value()
    }

    @Test("A stranger, a revoked key and no key at all are answered nothing, with a line in the log")
    func strangers() throws {
        let (coordinator, running) = try start()
        #expect(try ask(coordinator, CurveKeyPair.generate(), [line(.statusRequest)]).isEmpty)
        #expect(try ask(coordinator, nil, [line(.statusRequest)]).isEmpty)
        _ = try KeyStore.revoke("b", in: list)
        Thread.sleep(forTimeInterval: 0.5)
        #expect(try ask(coordinator, other, [line(.statusRequest)]).isEmpty)
        #expect(try ask(coordinator, allowed, [line(.statusRequest)]).count == 1)
        let counts = try refused(coordinator)
        // The stranger, and whose key was revoked; and who showed none.
        #expect(counts[.stranger] ?? 0 >= 2 && counts[.handshake] ?? 0 >= 1)
        Thread.sleep(forTimeInterval: 1.5)
        #expect((1...3).contains(lines.count(of: "connections were refused")))
        coordinator.stop()
        _ = try running.value()
    }

    @Test("Garbage, cut-off, empty, several-part and oversized messages get nowhere, and others are served")
    func hostile() throws {
        let (coordinator, running) = try start()
        let whole = line(Self.hello)
        let garbage = ["00ff", "ffffffffffffffff", "", "00,11", String(whole.dropLast(6)), "flood 50 4096"]
        #expect(try ask(coordinator, allowed, garbage).isEmpty)
        // More than a frame may have; and more than is read at all: that connection is closed.
        #expect(try ask(coordinator, allowed, ["flood 3 2097152"]).isEmpty)
        #expect(try ask(coordinator, allowed, ["flood 1 16777216"]).isEmpty)
        #expect(try ask(coordinator, other, [line(.statusRequest)]).count == 1)
        let counts = try refused(coordinator)
        #expect(counts[.unreadable] == 54 && counts[.severalParts] == 1 && counts[.oversized] == 3)
        #expect(counts[.cut] ?? 0 >= 1)
        Thread.sleep(forTimeInterval: 1.5)
        // One line of each kind, however many there were.
        #expect((3...6).contains(lines.count(of: "frames were refused")))
        coordinator.stop()
        _ = try running.value()
    }

    @Test("Orders are taken from an operator's key alone, and another is told what to do") func orders()
        throws
    {
        let (coordinator, running) = try start()
        let order = line(.operatorRequest(.retry(RetryRequest())))
        guard case .operatorReply(let refused)? = try ask(coordinator, other, [order]).first?.message,
            case .operatorReply(let taken)? = try ask(coordinator, allowed, [order]).first?.message
        else {
            Issue.record("no reply")
            return
        }
        #expect(refused.refusal.contains("bolster keys allow \(other.publicKey.text) --operator"))
        #expect(taken == OperatorReply())
        #expect(try self.refused(coordinator)[.order] == 1)
        try KeyStore.allow(other.publicKey, name: "b", isOperator: true, in: list)
        Thread.sleep(forTimeInterval: 0.5)
        guard case .operatorReply(let later)? = try ask(coordinator, other, [order]).first?.message else {
            Issue.record("no reply")
            return
        }
        #expect(later == OperatorReply())
        let drain = line(.operatorRequest(.drain))
        guard case .operatorReply? = try ask(coordinator, other, [drain]).first?.message else {
            Issue.record("no reply")
            return
        }
        #expect(try running.value() == .drained)
    }

    @Test("Another version is told so") func version() throws {
        let (coordinator, running) = try start()
        let answers = try ask(coordinator, allowed, [line(Self.hello, version: 9)])
        guard case .refused(let refusal)? = answers.first?.message else {
            Issue.record("\(answers)")
            return
        }
        #expect(refusal.reason == .version && answers.count == 1)
        #expect(try refused(coordinator)[.version] == 1)
        coordinator.stop()
        _ = try running.value()
    }

    @Test(
        "A commit counts under the key that was granted its epoch: no forger's, no older generation's"
    )
    func forged() throws {
        let (coordinator, running) = try start()
        let generation = coordinator.generation
        let granting = try ask(
            coordinator, allowed,
            [
                line(Self.hello),
                line(.ask(Ask(number: 1, loadedStages: [], cachedShards: [])), generation: generation),
            ])
        guard case .grant(let grant)? = granting.last?.message else {
            Issue.record("\(granting)")
            return
        }
        func commit(_ grant: Grant) -> String {
            let result = ChunkResult(
                chunk: 0, digest: 1, bytes: 9, samples: 2, skipped: 0, isLast: false, rangeEnd: 50)
            return line(
                .commit(
                    Commit(
                        unit: grant.unit, epoch: grant.epoch, fingerprint: grant.fingerprint,
                        file: grant.file(chunk: 0), result: result)), generation: generation)
        }
        var older = grant
        older.epoch = Epoch(generation: generation - 1, grant: 1)
        for (keys, commit) in [(other, commit(grant)), (allowed, commit(older))] {
            let answers = try ask(coordinator, keys, [commit])
            guard case .commitRefused(_, _, .neverGranted, _)? = answers.first?.message else {
                Issue.record("\(answers)")
                return
            }
        }
        guard case .committed? = try ask(coordinator, allowed, [commit(grant)]).first?.message else {
            Issue.record("the honest commit is not taken")
            return
        }
        #expect(try refused(coordinator)[.commitNotGranted] == 2)
        Thread.sleep(forTimeInterval: 1.2)
        #expect((1...2).contains(lines.count(of: "commits were refused")))
        coordinator.stop()
        _ = try running.value()
    }
}

/// Runs tools/oracles/zmq_client.py.
private enum OtherClient {
    static let script = Python.checkout.appendingPathComponent("tools/oracles/zmq_client.py").path

    static let exists: Bool = {
        do {
            return try output(["-c", "import zmq; print(zmq.has('curve'))"], []) == ["True"]
        } catch {
            return false
        }
    }()

    static func run(_ arguments: [String], _ input: [String]) throws -> [[UInt8]] {
        try output([script] + arguments, input).map { line in
            stride(from: 0, to: line.count, by: 2).compactMap { index in
                let start = line.index(line.startIndex, offsetBy: index)
                return UInt8(line[start..<line.index(start, offsetBy: 2)], radix: 16)
            }
        }
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func output(_ arguments: [String], _ input: [String]) throws -> [String] {
        let data = try Python.run(arguments, input: Data(input.map { $0 + "\n" }.joined().utf8))
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
