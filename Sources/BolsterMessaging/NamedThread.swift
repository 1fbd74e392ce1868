import CZMQ
import Glibc

/// A thread of the operating system that owns what must not wander between threads: a socket, a session.
package final class NamedThread: @unchecked Sendable {
    // Written once before the thread is visible to anybody else.
    private var thread = pthread_t()

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts at once. The kernel shows the first 15 bytes of the name (`top -H`). `join` must be called.
    package init(_ name: String, body: @escaping @Sendable () -> Void) throws(MessagingError) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                bolster_name_this_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            start.release()
            throw MessagingError(
                .system, "no thread could be started; is the process limit exhausted (ulimit -u)?",
                evidence: name, cause: String(cString: strerror(result)))
        }
    }

    /// Waits until the body has returned. Call once.
    package func join() {
        pthread_join(thread, nil)
    }
}
