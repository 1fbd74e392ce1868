import BolsterLeasing
import BolsterMessaging
import BolsterStorage

/// Looks for the word that a run is over, where a worker that gets no answer can still find it: in the
/// output, and at the rendezvous before the output is known.
enum EndedRun {
    /// How often a later generation is looked for before the search is given up until the next time.
    private static let laterMax: UInt64 = 64

    /// Nil while the run goes on, or nobody says that it does not.
    ///
    /// - Parameter generation: the newest coordinator's that the worker has followed.
    static func find(in output: ObjectStore, since generation: UInt64) throws(StorageError) -> RunEnd? {
        var newest = generation
        while newest < generation + laterMax, try output.exists(RunEnd.claim(generation: newest + 1)) {
            newest += 1
        }
        let name = RunEnd.name(generation: newest)
        guard try output.exists(name) else { return nil }
        return RunEnd(try output.read(name))
    }

    static func find(at rendezvous: Rendezvous) -> RunEnd? {
        guard case .finished(let quarantined, let blocked) = rendezvous.state else { return nil }
        return RunEnd(quarantined: quarantined, blocked: blocked)
    }
}
