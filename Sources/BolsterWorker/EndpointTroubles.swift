import BolsterDataset
import BolsterLeasing
import Logging

/// The endpoints of a worker that gave no captions, and what becomes of the leases that asked them.
final class EndpointTroubles {
    private let driver: SessionDriver
    private let giveUpAfter: Duration
    private let log: Logger
    /// By stage.
    private var patience: [String: EndpointPatience] = [:]

    init(driver: SessionDriver, giveUpAfter: Duration, log: Logger) {
        self.driver = driver
        self.giveUpAfter = giveUpAfter
        self.log = log
    }

    /// What the worker asks for first: the stages whose models are in memory, and where there was trouble,
    /// every other stage before the ones that had it, for these may have work that needs no such server.
    func order(_ loaded: [String], of all: some Sequence<String>) -> [String] {
        guard !patience.isEmpty else { return loaded }
        let well = loaded.filter { patience[$0] == nil }
        return well + all.filter { patience[$0] == nil && !well.contains($0) }.sorted()
    }

    /// Takes back a lease whose unit is not to pay for what happened.
    ///
    /// - Parameters:
    ///   - loaded: the stages whose models are in memory.
    ///   - all: every stage of the manifest.
    /// - Returns: false for an error that is none of an endpoint, or one that the unit is to pay for.
    /// - Throws: the error, where this worker is of no use; the lease is back then.
    func handedBack(
        _ error: any Error, _ grant: Grant, _ stage: Stage, lastAnswer: ContinuousClock.Instant?,
        loaded: [String], all: some Sequence<String>, _ metadata: Logger.Metadata
    ) throws -> Bool {
        guard let error = error as? WorkerError, let trouble = EndpointPatience.Trouble(error) else {
            return false
        }
        let name = stage.id.name
        let verdict = patience[name, default: EndpointPatience(patience: giveUpAfter)]
            .after(trouble, lastAnswer: lastAnswer, now: .now)
        driver.prefers(stages: order(loaded, of: all))
        switch verdict {
        case .burn: return false
        case .handBack(let rest):
            log.warning(
                "the captioner's endpoint gives no answer; its units wait, other stages go on",
                metadata: metadata)
            driver.rest(grant, for: rest)
            driver.ended(grant, .stopped)
            return true
        case .leave:
            driver.ended(grant, .stopped)
            throw error
        }
    }
}
