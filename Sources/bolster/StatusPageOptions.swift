import ArgumentParser
import BolsterCoordinator
import BolsterLeasing
import BolsterStatusPage
import Foundation
import Logging

/// What `run` and `coordinate` take to serve a status page.
struct StatusPageOptions: ParsableArguments {
    @Option(help: "Serve a status page here, e.g. 127.0.0.1:8080; other than loopback needs a token.")
    var statusPage: String?

    @Option(help: "A file with the status page's token in its first line.")
    var statusTokenFile: String?

    @Option(help: "What an hour of a device costs, e.g. cuda=2.5; for cost so far. May be repeated.")
    var price: [String] = []

    func validate() throws {
        if statusPage == nil, statusTokenFile != nil {
            throw ValidationError("--status-token-file goes with --status-page")
        }
        do throws(StatusPageError) {
            _ = try DevicePrices(parsing: price)
            guard let statusPage else { return }
            let address = try PageAddress(parsing: statusPage)
            if !address.isLoopback, statusTokenFile == nil {
                throw StatusPageError(
                    .unprotected,
                    "--status-page \(statusPage) is reached by other machines: it needs "
                        + "--status-token-file")
            }
        } catch {
            throw ValidationError(error.description)
        }
    }

    /// Workers that the coordinator is to tell of; nil: as many as a message holds.
    var workersInProgress: Int? { statusPage == nil ? nil : LeaseLedger.workersMax }

    /// Nil where none is wanted. Answers from now on.
    func page(for coordinator: Coordinator, log: Logger) throws -> StatusPage? {
        guard let statusPage else { return nil }
        var configuration = StatusPage.Configuration(
            address: try PageAddress(parsing: statusPage), tokenFile: statusTokenFile.map(absolutePath),
            version: BolsterVersion.text, log: log)
        configuration.prices = try DevicePrices(parsing: price)
        let page = try StatusPage(configuration) { Self.order(.retry($0), coordinator) }
        page.start()
        Terminal.note("status page at \(page.url)")
        return page
    }

    /// Waits on the page's thread until the order is durable or refused.
    private static func order(_ request: OperatorRequest, _ coordinator: Coordinator) -> OperatorReply {
        let answer = OrderAnswer()
        coordinator.order(request) { answer.give($0) }
        return answer.wait(seconds: 30) ?? OperatorReply(refusal: "the coordinator is busy: try again")
    }
}

/// Hands one answer from the coordinator's thread to the one that waits for it.
private final class OrderAnswer: @unchecked Sendable {
    private let condition = NSCondition()
    private var reply: OperatorReply?

    func give(_ reply: OperatorReply) {
        condition.lock()
        self.reply = reply
        condition.broadcast()
        condition.unlock()
    }

    func wait(seconds: TimeInterval) -> OperatorReply? {
        let end = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while reply == nil, condition.wait(until: end) {}
        return reply
    }
}
