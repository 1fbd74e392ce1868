import BolsterLeasing
import Foundation
import Logging

/// The coordinator's page for people, and the numbers behind it for programs.
///
///     GET  /                the page (page.html, page.css, *.js)
///     GET  /api/status      progress, time left, cost         GET  /api/history?span=hour|day|month
///     GET  /api/workers     ?page= &per= &sort= &order= &search=
///     GET  /api/failures    ?page= &per=                      POST /api/retry   {"units": [{stage, shard}]}
///     GET  /metrics         Prometheus                        GET  /healthz     needs no token
///
/// It reads the states that the coordinator publishes, and gives orders through the closure it was made with;
/// neither ever makes the coordinator wait.
package final class StatusPage: Sendable {
    package struct Configuration: Sendable {
        package var address: PageAddress
        /// A file whose first line is the token; needed where other machines reach the address.
        package var tokenFile: String?
        package var prices = DevicePrices()
        package var version: String
        package var log: Logger

        package init(address: PageAddress, tokenFile: String?, version: String, log: Logger) {
            self.address = address
            self.tokenFile = tokenFile
            self.version = version
            self.log = log
        }
    }

    /// Gives quarantined units new attempts; called on a thread of the page, it may wait for the answer.
    package typealias Retry = @Sendable (RetryRequest) -> OperatorReply

    private let board: StatusBoard
    private let listener: PageListener

    /// Listens from now on; answers from `start` on.
    ///
    /// - Throws: an address that cannot be had, or that others reach without a token.
    package init(_ configuration: Configuration, retry: Retry?) throws(StatusPageError) {
        guard configuration.address.isLoopback || configuration.tokenFile != nil else {
            throw StatusPageError(
                .unprotected,
                "other machines can reach this address: give --status-token-file with a secret of your own, "
                    + "or serve the status page on 127.0.0.1", evidence: ["\(configuration.address)"])
        }
        var token: String?
        if let file = configuration.tokenFile { token = try PageAccess.token(file: file) }
        let board = StatusBoard()
        let routes = PageRoutes(
            board: board, access: PageAccess(token: token), prices: configuration.prices,
            version: configuration.version, retry: retry, log: configuration.log)
        self.board = board
        listener = try PageListener(configuration.address, log: configuration.log) { routes.answer($0) }
    }

    /// With the port that was chosen where any was asked for.
    package var url: String { "http://\(listener.address)/" }

    package func start() { listener.start() }
    package func stop() { listener.stop() }

    /// The newest state of the run, about once a second; from one thread.
    package func publish(_ status: StatusReply) { board.publish(status) }
}
