import BolsterLeasing
import BolsterStorage
import Foundation

/// The right to rule a run: whoever creates `generation/<n>` in the output, and sees no later one.
enum Generation {
    /// Claims the first generation after all that were claimed and after `known`.
    static func claim(after known: UInt64, in output: ObjectStore) throws -> UInt64 {
        var next = max(known, try newest(in: output)) + 1
        let who = "\(ProcessInfo.processInfo.hostName) pid \(ProcessInfo.processInfo.processIdentifier)\n"
        for _ in 0..<1_000 {
            if try output.createExclusively(RunEnd.claim(generation: next), Array(who.utf8)) { return next }
            next += 1
        }
        throw CoordinatorError(
            .generation,
            "no generation could be claimed in a thousand tries: are other coordinators starting over "
                + "and over on this output?", evidence: [output.root])
    }

    /// Whether a later coordinator has claimed the run. Starts claim one after the other, so looking at
    /// the next number is enough.
    static func isSuperseded(_ generation: UInt64, in output: ObjectStore) throws -> Bool {
        try output.exists(RunEnd.claim(generation: generation + 1))
    }

    /// The last one that was claimed; 0 where none was.
    static func newest(in output: ObjectStore) throws -> UInt64 {
        try output.list(prefix: "generation/").compactMap { UInt64($0.dropFirst("generation/".count)) }.max()
            ?? 0
    }
}
