/// Why no report can be made.
package struct ReportError: Error, Sendable, CustomStringConvertible {
    package enum Code: Equatable, Sendable {
        /// The folder is no dataset of a merge.
        case noDataset
        /// A file of the dataset cannot be read or does not parse.
        case damaged
    }

    package let code: Code
    package let message: String
    /// The file, and the reason beneath.
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
