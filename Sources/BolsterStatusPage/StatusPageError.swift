/// Why the status page cannot be served.
package struct StatusPageError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: Equatable, Sendable {
        /// The address is none, or cannot be listened on.
        case address
        /// Others could read the page, and no token is given.
        case unprotected
        /// The token's file is unreadable, or the token too short.
        case token
        /// A price that is none.
        case price
    }

    package let code: Code
    package let message: String
    /// Addresses, files, the system's reason.
    package let evidence: [String]

    package init(_ code: Code, _ message: String, evidence: [String] = []) {
        self.code = code
        self.message = message
        self.evidence = evidence
    }

    package var description: String {
        evidence.isEmpty ? message : "\(message) (\(evidence.joined(separator: "; ")))"
    }
}
