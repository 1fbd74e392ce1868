/// Why a coordinator cannot start or go on.
package struct CoordinatorError: Error, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        /// The state folder is not a place for a ledger.
        case unsuitableState
        /// Another coordinator uses the state folder.
        case inUse
        /// The ledger cannot be opened, read or written.
        case ledger
        /// The ledger fails its integrity check.
        case corrupt
        /// The ledger is of a newer release.
        case newerSchema
        /// The ledger belongs to another run, or its shards are other ones now.
        case otherRun
        /// A newer coordinator has taken the run over.
        case superseded
        /// No generation could be claimed in the output.
        case generation
        /// The manifest does not fit a message.
        case manifestTooLong
    }

    package let code: Code
    /// What happened and what to do about it.
    package let message: String
    /// Paths, shards or numbers concerned.
    package let evidence: [String]
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String, evidence: [String] = [], cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.evidence = evidence
        self.cause = cause
    }

    package var description: String {
        var text = message
        if !evidence.isEmpty { text += "\n  " + evidence.joined(separator: "\n  ") }
        if let cause { text += "\n  because: \(cause)" }
        return text
    }
}
