import Glibc
import Synchronization

@testable import BolsterMessaging

/// A router that runs on its own thread, keeps what it got and answers with a function of it.
final class RouterAtWork: Sendable {
    let socket: RouterSocket
    let received = Mutex<[IncomingFrame]>([])
    private let thread = Mutex<NamedThread?>(nil)
    let failure = Mutex<String?>(nil)

    init(
        _ socket: RouterSocket, tick: Duration = .milliseconds(20),
        answer: @escaping @Sendable ([IncomingFrame], Bool) -> [OutgoingFrame] = { _, _ in [] }
    ) throws {
        self.socket = socket
        let thread = try NamedThread("router") { [self] in
            do {
                try socket.run(tick: tick) { frames, isTick in
                    received.withLock { $0 += frames }
                    return answer(frames, isTick)
                }
            } catch {
                failure.withLock { $0 = "\(error)" }
            }
        }
        self.thread.withLock { $0 = thread }
    }

    static func echo(_ frames: [IncomingFrame], _ isTick: Bool) -> [OutgoingFrame] {
        frames.map { OutgoingFrame(peer: $0.peer, bytes: $0.bytes) }
    }

    func stop() {
        socket.stop()
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }
}

extension DealerSocket {
    /// Runs until `count` frames came or ten seconds passed, and returns the frames. Ends the socket.
    func collect(_ count: Int, sending frames: [[UInt8]] = []) throws -> [[UInt8]] {
        var collected: [[UInt8]] = []
        var unsent = frames[...]
        var ticks = 0
        try run(tick: .milliseconds(20)) { incoming, isTick in
            collected += incoming
            if isTick { ticks += 1 }
            if collected.count >= count || ticks > 500 { stop() }
            // As much as the queue holds: an overflow would be a loss.
            let room = 500
            let now = unsent.prefix(incoming.isEmpty && ticks > 1 ? 0 : room)
            unsent = unsent.dropFirst(now.count)
            return Array(now)
        }
        return collected
    }

    /// Runs for as many ticks and returns the frames that came meanwhile. Ends the socket.
    func listen(ticks: Int) throws -> [[UInt8]] {
        var collected: [[UInt8]] = []
        var passed = 0
        try run(tick: .milliseconds(20)) { incoming, isTick in
            collected += incoming
            if isTick { passed += 1 }
            if passed >= ticks { stop() }
            return []
        }
        return collected
    }
}

/// A directory that goes with the test.
final class Scratch {
    let path: String

    init() {
        var template = Array("/tmp/bolster-messaging-XXXXXX".utf8CString)
        path =
            mkdtemp(&template) == nil
            ? "" : String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self)
        precondition(!path.isEmpty, "no temporary directory")
    }

    deinit {
        for name in ["server", "server.pub", "worker", "worker.pub", "allowed", "allowed.lock", "other"] {
            unlink("\(path)/\(name)")
        }
        rmdir(path)
    }
}

/// Lets the other threads run, in a loop that waits for what they do.
func yieldProcessor() { sched_yield() }

/// Whether something comes true within ten seconds.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<2_000 {
        if condition() { return true }
        usleep(5_000)
    }
    return false
}
