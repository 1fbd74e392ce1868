import Glibc
import Synchronization

/// The keys that may connect, read again whenever the file changes.
///
/// Fails closed: without the file, or with one that others may write, nobody is admitted. A damaged
/// line admits nobody and is reported; the other lines count.
package final class AllowList: Sendable {
    package let path: String

    private struct State {
        var stamp: KeyFile.Stamp?
        var keys: Set<String> = []
        var operators: Set<String> = []
        var problem: String?

        mutating func set(_ allowed: [AllowedKey]) {
            keys = Set(allowed.map(\.key.text))
            operators = Set(allowed.filter(\.isOperator).map(\.key.text))
        }
    }

    private let state: Mutex<State>

    /// Reads the list once, so that a wrong path is an error at the start.
    package init(path: String) throws(MessagingError) {
        self.path = path
        var state = State()
        state.stamp = KeyFile.stamp(path)
        state.set(try KeyStore.allowedKeys(at: path))
        self.state = Mutex(state)
    }

    /// What is wrong with the list as it stands now, nil when all is well.
    package var problem: String? { state.withLock { $0.problem } }

    func contains(_ key: String) -> Bool { state.withLock { $0.keys.contains(key) } }

    /// May give orders: drain, retry, invalidate, extend.
    func isOperator(_ key: String) -> Bool { state.withLock { $0.operators.contains(key) } }

    /// Looks at the file (one `stat`) and reads it when it is another than before.
    func reloadIfChanged() {
        let path = path
        state.withLock { state in
            let stamp = KeyFile.stamp(path)
            guard stamp != state.stamp else { return }
            // Taken before reading: a change in between is seen the next time.
            state.stamp = stamp
            do throws(MessagingError) {
                let (allowed, mistakes) = KeyStore.parseAllowList(try KeyFile.read(path, forbidding: 0o022))
                state.set(allowed)
                state.problem = mistakes.isEmpty ? nil : "\(path): " + mistakes.joined(separator: "; ")
            } catch {
                state.set([])
                state.problem = error.description
            }
        }
    }
}
