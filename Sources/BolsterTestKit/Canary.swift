/// Bugs put into the simulation on purpose, around the production code and never in it, to show that each
/// would be found.
package enum Canary: String, CaseIterable, Sendable {
    /// Answers leave while the journal is still being written.
    case answersBeforeJournal
    /// A commit that the ledger refuses as never granted is journalled and acknowledged all the same.
    case neverGrantedAccepted
    /// A chunk that is already committed is journalled again under the later epoch.
    case lateChunkCountedTwice
    /// Each lease that ends in a loss burns an attempt.
    case lossBurnsAttempt
    /// Nobody looks at generations: not the worker at a frame's, not the coordinator at the output's.
    case generationUnchecked
    /// A commit is said before the record file is durable.
    case commitBeforeRecord
    /// Recovery leaves out the chunks of open units.
    case recoveryForgetsOpenChunks
    /// A coordinator that takes over does not read the record files that are newer than its copy.
    case recoveryReadsNoFiles
    /// A driver reports progress of a device that hangs.
    case hungDeviceReportsProgress
    /// Texts are computed from the newest caption file in the output instead of the one that counts.
    case textsOfNewestCaptions
    /// Announcements name the sample before the one that is tried.
    case wrongSampleAnnounced
    /// Two coordinators may take the same generation.
    case generationClaimedTwice
}
