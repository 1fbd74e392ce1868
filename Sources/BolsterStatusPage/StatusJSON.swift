import BolsterLeasing
import Foundation

/// What the page's API says of a run, as one document for a script: `bolster status --json`.
package enum StatusJSON {
    private struct Document: Encodable {
        let status: StatusDocument
        let workers: WorkersDocument
        let failures: FailuresDocument
    }

    /// One line.
    package static func text(_ status: StatusReply, prices: DevicePrices, version: String) throws -> String {
        let listing = WorkerListing(
            status.workers, page: 1, perPage: WorkerListing.perPageMax, sort: .name, descending: false,
            search: "")
        let document = Document(
            status: StatusDocument(status, prices: prices, version: version, csrf: nil, canRetry: false),
            workers: WorkersDocument(listing, total: status.workersTotal),
            failures: FailuresDocument(status, page: 1, perPage: 500))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
