import BolsterLeasing
import BolsterMessaging
import Foundation
import GRDB
import Testing

@testable import BolsterCoordinator

/// Promise 1, at the coordinator that runs over a socket: nothing is answered before it is durable.
@Suite("Answers and the journal", .serialized) struct AnswerOrderTests {
    /// Lets SQLite refuse every row of a table, as a disk that fails at that moment would.
    private func refuseRows(of table: String, in folder: TemporaryFolder) throws {
        let queue = try DatabaseQueue(path: folder.path + "/state/ledger.sqlite")
        try queue.write { db in
            try db.execute(
                sql: """
                    CREATE TRIGGER refused BEFORE INSERT ON \(table)
                    BEGIN SELECT RAISE(ABORT, 'this disk has failed'); END
                    """)
        }
    }

    /// What a worker hears that greets and asks, and commits what it is granted.
    private func answers(from endpoint: String) throws -> [CoordinatorMessage] {
        let socket = try DealerSocket(connect: endpoint, identity: Array("a".utf8), security: nil)
        func frame(_ message: WorkerMessage) -> [UInt8] {
            WorkerFrame(worker: WorkerID("a"), incarnation: 1, generation: 0, message: message).encode()
        }
        let hello = Hello(host: "h", labels: [], device: "cpu", computeClass: "c", program: "t")
        _ = try socket.send(frame(.hello(hello)))
        var heard: [CoordinatorMessage] = []
        var ticks = 0
        try socket.run(tick: .milliseconds(100)) { frames, isTick in
            var more: [[UInt8]] = []
            for bytes in frames {
                let message = try CoordinatorFrame.decode(bytes).message
                heard.append(message)
                if case .welcome = message {
                    more.append(frame(.ask(Ask(number: 1, loadedStages: [], cachedShards: []))))
                }
                if case .grant(let grant) = message { more.append(frame(.commit(commit(of: grant)))) }
            }
            // Whatever is to be said is said long before.
            ticks += isTick ? 1 : 0
            if ticks > 12 { socket.stop() }
            return more
        }
        return heard
    }

    private func commit(of grant: Grant) -> Commit {
        Commit(
            unit: grant.unit, epoch: grant.epoch, fingerprint: grant.fingerprint, file: grant.file(chunk: 0),
            result: ChunkResult(
                chunk: 0, digest: 1, bytes: 10, samples: 2, skipped: 0, isLast: false, rangeEnd: 512))
    }

    @Test(
        "Promise 1: what the journal could not take is not answered, and the coordinator ends and says why",
        arguments: ["lease", "chunk"])
    func refused(table: String) throws {
        let folder = TemporaryFolder()
        let coordinator = try Coordinator(configuration(in: folder))
        try refuseRows(of: table, in: folder)
        let running = Running { try coordinator.run { _ in } }
        let heard = try answers(from: coordinator.endpoint)
        let isAnswered = heard.contains { message in
            switch message {
            case .grant: table == "lease"
            case .committed: true
            default: false
            }
        }
        #expect(!isAnswered && !heard.isEmpty)
        // Before anything else: one that goes on must fail this test, not hold it up.
        coordinator.stop()
        #expect { try running.value() } throws: { ($0 as? CoordinatorError)?.code == .ledger }
    }
}
