import Dispatch
import Foundation

/// SIGTERM, SIGINT and SIGUSR1 (Slurm's warning): the first asks for an orderly end, the second for an end.
final class StopSignals {
    private var sources: [any DispatchSourceSignal] = []
    private let queue = DispatchQueue(label: "bolster.signals")

    init(first: @escaping @Sendable () -> Void, second: @escaping @Sendable () -> Void) {
        let count = SignalCount()
        for number in [SIGTERM, SIGINT, SIGUSR1] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { count.next() == 1 ? first() : second() }
            source.resume()
            sources.append(source)
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
    }
}

/// Touched on the signals' queue alone.
private final class SignalCount: @unchecked Sendable {
    private var count = 0
    func next() -> Int {
        count += 1
        return count
    }
}
