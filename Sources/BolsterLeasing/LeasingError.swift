/// What can be wrong with bytes that arrive, or with a ledger that is read back.
package struct LeasingError: Error, CustomStringConvertible, Equatable {
    package enum Code: Hashable, Sendable {
        /// More bytes than a frame may have.
        case oversized
        /// Not a message of this protocol, or one with an impossible value.
        case malformed
        /// A message of another version of the protocol.
        case version(found: UInt32)
        /// The journal tells a history that no ledger can have had.
        case impossibleHistory
    }

    package let code: Code
    /// What happened and what to do about it.
    package let message: String
    /// The field, unit or number concerned.
    package let evidence: String

    package init(_ code: Code, _ message: String, evidence: String = "") {
        self.code = code
        self.message = message
        self.evidence = evidence
    }

    package var description: String { evidence.isEmpty ? message : "\(message) [\(evidence)]" }
}
