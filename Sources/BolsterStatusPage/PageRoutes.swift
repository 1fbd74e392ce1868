import BolsterLeasing
import Foundation
import Logging

/// What each address answers.
struct PageRoutes: Sendable {
    let board: StatusBoard
    let access: PageAccess
    let prices: DevicePrices
    let version: String
    let retry: StatusPage.Retry?
    let log: Logger

    func answer(_ request: PageRequest) -> PageResponse {
        do {
            return try allowed(request)
        } catch let refusal as PageRefusal {
            return refusal.response
        } catch {
            log.error("the status page could not answer", metadata: ["reason": "\(error)"])
            return .problem(500, "this could not be answered; the coordinator's log says why")
        }
    }

    private func allowed(_ request: PageRequest) throws -> PageResponse {
        let methods = try Self.methods(of: request.path)
        guard Self.known.contains(request.method) else {
            return .problem(501, "no such method")
        }
        guard methods.contains(request.method) else {
            return .problem(
                405, "this address takes \(methods.joined(separator: " or "))",
                headers: ["Allow: \(methods.joined(separator: ", "))"])
        }
        // A probe needs no token, and tells nothing but that the coordinator serves.
        if request.path == "/healthz" { return .text("ok\n") }
        switch access.verdict(on: request) {
        case .allowed: return try route(request)
        case .login(let cookie):
            // Not a redirection: SameSite=Strict would withhold the cookie where the link was elsewhere.
            var page = PageResponse.text(Self.loginPage, type: "text/html; charset=utf-8")
            page.headers = ["Set-Cookie: \(cookie)"]
            return page
        case .refused(let refusal):
            guard refusal.status == 401 else { return refusal.response }
            return .problem(401, refusal.message, headers: ["WWW-Authenticate: Bearer"])
        }
    }

    private static let known: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE",
    ]

    private static let loginPage = """
        <!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">
        <title>Bolster</title><a href="/">the status page</a>
        """

    private static let files: [String: (type: String, bytes: [UInt8])] = [
        "/": ("text/html; charset=utf-8", PackageResources.page_html),
        "/page.css": ("text/css; charset=utf-8", PackageResources.page_css),
        "/page.js": ("text/javascript; charset=utf-8", PackageResources.page_js),
        "/ask.js": ("text/javascript; charset=utf-8", PackageResources.ask_js),
        "/format.js": ("text/javascript; charset=utf-8", PackageResources.format_js),
        "/chart.js": ("text/javascript; charset=utf-8", PackageResources.chart_js),
        "/workers.js": ("text/javascript; charset=utf-8", PackageResources.workers_js),
        "/failures.js": ("text/javascript; charset=utf-8", PackageResources.failures_js),
    ]

    private static func methods(of path: String) throws -> [String] {
        switch path {
        case "/healthz", "/metrics", "/api/status", "/api/workers", "/api/history", "/api/failures":
            ["GET", "HEAD"]
        case "/api/retry": ["POST"]
        case let path where files[path] != nil: ["GET", "HEAD"]
        default: throw PageRefusal(404, "there is nothing here")
        }
    }

    private func route(_ request: PageRequest) throws -> PageResponse {
        if let file = Self.files[request.path] { return PageResponse(type: file.type, body: file.bytes) }
        if request.path == "/api/retry" { return try retry(request) }
        guard let status = board.status else {
            throw PageRefusal(503, "the coordinator has only just started")
        }
        switch request.path {
        case "/api/status":
            return try .json(
                StatusDocument(
                    status, prices: prices, version: version, csrf: access.csrf, canRetry: retry != nil))
        case "/api/workers":
            return try workers(request, status)
        case "/api/history":
            guard let span = ThroughputHistory.Span(rawValue: request.query["span"] ?? "hour") else {
                throw PageRefusal(400, "span is hour, day or month")
            }
            return try .json(HistoryDocument(board.points(span), span, status))
        case "/api/failures":
            return try .json(
                FailuresDocument(
                    status, page: number("page", request, 1), perPage: number("per", request, 50)))
        default:
            return .text(
                PrometheusText(status, prices: prices, version: version).text,
                type: "text/plain; version=0.0.4; charset=utf-8")
        }
    }

    private func workers(_ request: PageRequest, _ status: StatusReply) throws -> PageResponse {
        guard let sort = WorkerListing.Sort(rawValue: request.query["sort"] ?? "name") else {
            throw PageRefusal(
                400, "sort is one of \(WorkerListing.Sort.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let order = request.query["order"] ?? "ascending"
        guard order == "ascending" || order == "descending" else {
            throw PageRefusal(400, "order is ascending or descending")
        }
        let listing = WorkerListing(
            status.workers, page: try number("page", request, 1), perPage: try number("per", request, 50),
            sort: sort, descending: order == "descending", search: request.query["search"] ?? "")
        return try .json(WorkersDocument(listing, total: status.workersTotal))
    }

    private func number(_ name: String, _ request: PageRequest, _ otherwise: Int) throws -> Int {
        guard let text = request.query[name] else { return otherwise }
        guard let number = Int(text), number >= 1, number <= 1_000_000 else {
            throw PageRefusal(400, "\(name) is a number from 1")
        }
        return number
    }

    private func retry(_ request: PageRequest) throws -> PageResponse {
        guard let retry else { throw PageRefusal(409, "this coordinator takes no orders from its page") }
        let wanted: RetryDocument
        do {
            wanted = try JSONDecoder().decode(RetryDocument.self, from: Data(request.body))
        } catch {
            throw PageRefusal(400, "the body is {\"units\": [{\"stage\": …, \"shard\": …}]}; [] means all")
        }
        guard wanted.units.count <= RetryDocument.unitsMax else {
            throw PageRefusal(400, "at most \(RetryDocument.unitsMax) units at a time")
        }
        let reply = retry(RetryRequest(units: wanted.units.map { UnitID(stage: $0.stage, shard: $0.shard) }))
        log.notice("units were put back from the status page", metadata: ["units": "\(reply.units)"])
        return reply.refusal.isEmpty
            ? try .json(["units": reply.units]) : .problem(409, reply.refusal)
    }
}
