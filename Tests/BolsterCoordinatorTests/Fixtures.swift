import BolsterDataset
import BolsterDeterminism
import BolsterLeasing
import BolsterMessaging
import BolsterRecords
import BolsterStorage
import Foundation
import Logging
import Synchronization

@testable import BolsterCoordinator

/// A folder that goes with the test.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "bolster-coordinator-" + UUID().uuidString
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            fatalError("no temporary folder: \(error)")
        }
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            print("left behind: \(path): \(error)")
        }
    }
}

func digest(_ text: String) -> SHA256Digest { SHA256Hasher.digest(of: text) }

/// A run over shards that nobody reads: captions, texts of them, and views; two samples a chunk.
func configuration(
    in folder: TemporaryFolder, shards: Int = 3, captions: String = "c1", size: Int64 = 100,
    state: String = "state"
) -> CoordinatorConfiguration {
    let column = "syn_text"
    let source = Stage(
        id: .captions(column: column), kind: .captions(captioner: 0), fingerprint: digest(captions),
        reads: nil)
    let texts = Stage(
        id: .texts(column: column), kind: .captionTexts(captioner: 0), fingerprint: digest("t" + captions),
        reads: source.id)
    let views = Stage(id: .views, kind: .views, fingerprint: digest("v"), reads: nil)
    var log = Logger(label: "test")
    log.logLevel = .critical
    var leases = Manifest.LeaseTimes()
    leases.heartbeat = .milliseconds(100)
    var configuration = CoordinatorConfiguration(
        manifestText: "name: test\n", manifestFile: "test.yaml", manifestDirectory: folder.path,
        manifest: Manifest(
            name: "test", chunk: 2, input: Manifest.Input(shards: ["x.tar"]), output: "out", leases: leases),
        stages: [source, texts, views],
        shards: (0..<shards).map {
            Shard(
                index: $0, name: "s\($0)", location: "/in/s\($0).tar",
                identity: ShardIdentity(size: size, version: "1"))
        }, stateDirectory: "\(folder.path)/\(state)", output: "\(folder.path)/out",
        listen: "tcp://127.0.0.1:*",
        security: nil, log: log)
    configuration.lingering = .milliseconds(300)
    configuration.takeoverWait = .zero
    return configuration
}

/// A worker over a real socket: the real session, with chunks that are made up.
final class SocketWorker: Sendable {
    private struct State: ~Copyable {
        var session: WorkerSession
        var exit: WorkerSession.Exit?
        var commits = 0
        var grants: [Grant] = []
    }

    private let state: Mutex<State>
    private let socket: DealerSocket
    private let endpoint: String
    private let chunks: Int
    /// Stop after so many commits, as if killed; nil: go on to the end.
    private let commitsMax: Int?
    /// A stage whose units this worker fails at.
    private let failing: String?
    /// Where real record files go; nil: none are made.
    private let output: ObjectStore?

    init(
        _ name: String, incarnation: UInt64 = 1, endpoint: String, chunks: Int = 3, commitsMax: Int? = nil,
        failing: String? = nil, output: ObjectStore? = nil
    ) throws {
        var configuration = WorkerSession.Configuration(
            worker: WorkerID(name), incarnation: incarnation,
            hello: Hello(host: "h", labels: [], device: "cpu", computeClass: "c", program: "t"))
        configuration.giveUpAfter = .seconds(20)
        configuration.repeatAfter = .milliseconds(300)
        state = Mutex(State(session: WorkerSession(configuration)))
        socket = try DealerSocket(connect: endpoint, identity: Array(name.utf8), security: nil)
        self.endpoint = endpoint
        self.chunks = chunks
        self.commitsMax = commitsMax
        self.failing = failing
        self.output = output
    }

    var exit: WorkerSession.Exit? { state.withLock { $0.exit } }
    var grants: [Grant] { state.withLock { $0.grants } }

    /// Returns when the session is over or the commits are used up.
    func run() throws {
        let start = ContinuousClock.now
        let begin = state.withLock { $0.session.connected(now: .zero) }
        try act(begin, .zero).forEach { _ = try socket.send($0) }
        try socket.run(tick: .milliseconds(20)) { frames, isTick in
            let now = ContinuousClock.now - start
            var answers: [[UInt8]] = []
            for bytes in frames {
                let frame = try CoordinatorFrame.decode(bytes)
                answers += try act(state.withLock { $0.session.received(frame, now: now) }, now)
            }
            if isTick { answers += try act(state.withLock { $0.session.ticked(now: now) }, now) }
            return answers
        }
    }

    private func act(_ actions: [WorkerSession.Action], _ now: Duration) throws -> [[UInt8]] {
        var frames: [[UInt8]] = []
        for action in actions {
            switch action {
            case .send(let frame): frames.append(frame.encode())
            case .configure:
                frames += try act(state.withLock { $0.session.ready(loadedStages: [], now: now) }, now)
            case .start(let grant): frames += try work(grant, now)
            case .exit(let exit):
                state.withLock { $0.exit = exit }
                socket.stop()
            case .reconnect: try socket.reconnect(to: endpoint)
            case .abandon, .stopAtBoundary, .proceed: break
            }
        }
        return frames
    }

    private func work(_ grant: Grant, _ now: Duration) throws -> [[UInt8]] {
        state.withLock { $0.grants.append(grant) }
        if grant.unit.stage == failing {
            let end = WorkerSession.WorkEnd.failed(.shard, message: "made to fail", sample: nil)
            return try act(state.withLock { $0.session.workEnded(grant.epoch, end, now: now) }, now)
        }
        var frames: [[UInt8]] = []
        for chunk in grant.firstChunk..<chunks where !grant.isCommitted(chunk) {
            let isUsedUp = state.withLock { state in
                state.commits += 1
                return commitsMax.map { state.commits > $0 } ?? false
            }
            if isUsedUp {
                socket.stop()
                return frames
            }
            let file = try record(grant, chunk)
            let result = ChunkResult(
                chunk: chunk, digest: file.map { XXH64Hasher.hash(of: $0) } ?? UInt64(chunk),
                bytes: Int64(file?.count ?? 10), samples: 2, skipped: 0, isLast: chunk == chunks - 1,
                rangeEnd: Int64(chunk + 1) * 512)
            frames += try act(state.withLock { $0.session.chunkFinished(grant, result, now: now) }, now)
        }
        return frames
            + (try act(state.withLock { $0.session.workEnded(grant.epoch, .complete, now: now) }, now))
    }
}

/// A thread whose result can be waited for.
final class Running<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () throws -> Value) {
        let thread = Thread { [self] in
            let value = Result { try body() }
            result.withLock { $0 = value }
            done.signal()
        }
        thread.start()
    }

    /// - Throws: what the body threw; CoordinatorError when it has not ended within a minute, so that a hang
    ///   is a failure.
    func value() throws -> Value {
        guard done.wait(timeout: .now() + 60) == .success else {
            throw CoordinatorError(.ledger, "not over within a minute")
        }
        defer { done.signal() }
        return try result.withLock { $0! }.get()
    }
}

extension SocketWorker {
    /// Writes the chunk's record file, whose header says what a worker's would; nil where none are made.
    private func record(_ grant: Grant, _ chunk: Int) throws -> [UInt8]? {
        guard let output else { return nil }
        var sources: [String: String] = [:]
        for source in grant.sources where source.chunk == chunk {
            sources[grant.file(of: source)] = Hexadecimal.text(of: source.digest)
        }
        let header = RecordHeader(
            run: "test", stage: grant.unit.stage, fingerprint: grant.fingerprint.hex, shard: grant.shard.name,
            shardIdentity: RecordHeader.ShardIdentity(size: grant.shard.size, version: grant.shard.version),
            range: RecordHeader.SourceRange(
                start: Int64(chunk) * 512, end: Int64(chunk + 1) * 512, xxh64: "0000000000000000"),
            chunk: chunk, isLast: chunk == chunks - 1, samples: 2, firstSample: 2 * chunk,
            epoch: "\(grant.epoch)", computeClass: "c", sources: sources)
        let file = RecordFile(
            header: header, keys: ["a\(chunk)", "b\(chunk)"], skips: [nil, nil], columns: [])
        let bytes = try file.encode()
        try output.write(grant.file(chunk: chunk), bytes)
        return bytes
    }
}
