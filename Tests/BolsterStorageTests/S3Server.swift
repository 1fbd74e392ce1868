import BolsterHTTP
import BolsterOracles
import Foundation
import Testing

@testable import BolsterStorage

/// `tools/tests/s3_server.py` as a process: moto behind a front that verifies signatures and does harm on
/// request. It ends when this object goes.
final class S3Server: Sendable {
    /// Whether this machine's Python has what the server needs.
    static let isAvailable = Python.has("moto.server", "botocore")

    /// Of all tests: started once, ended with the test process.
    static let shared = Result { try S3Server() }

    private let process: PythonServer

    var url: String { process.url }

    init() throws {
        process = try PythonServer([Python.checkout.path + "/tools/tests/s3_server.py"])
    }

    /// The environment of a process that may use the server.
    var environment: [String: String] {
        [
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "a secret/with+signs",
            "AWS_REGION": "eu-test-1", "AWS_ENDPOINT_URL": url, "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        ]
    }

    /// A client whose pauses take no time and are noted.
    func client(
        _ changes: [String: String?] = [:], attempts: Int = 8,
        now: @escaping @Sendable () -> Date = { Date() }
    ) throws -> S3Client {
        var environment = environment
        for (name, value) in changes { environment[name] = value }
        return try S3Client(
            environment: environment,
            retry: RetryPolicy(attempts: attempts, sleep: { _ in }), now: now)
    }

    func store(_ prefix: String, attempts: Int = 8) throws -> ObjectStore {
        ObjectStore(root: "s3://bucket/\(prefix)", client: try client(attempts: attempts))
    }

    // MARK: Control

    struct Fault: Encodable {
        var method: String
        var match: String
        var kind: String
        var times = 1
        var after = 0
        var status = 503
        var code = "SlowDown"
    }

    struct LogLine: Decodable {
        var method: String
        var path: String
        var range: String?
        /// The port that the request came from: one for each connection.
        var peer: Int
        var bytes: Int
        var refused: String?
        var fault: String?
    }

    func arm(_ fault: Fault) throws {
        _ = try control("POST", "fault", JSONEncoder().encode(fault))
    }

    func control(_ method: String, _ command: String, _ body: Data = Data()) throws -> Data {
        let answer = try HTTPClient().send(
            HTTPRequest(method: method, url: "\(url)/_control/\(command)", body: [UInt8](body)))
        try #require(answer.status == 200)
        return Data(answer.body)
    }

    /// The requests whose path holds `text`.
    func log(_ text: String) throws -> [LogLine] {
        try control("GET", "log").split(separator: UInt8(ascii: "\n"))
            .map { try JSONDecoder().decode(LogLine.self, from: Data($0)) }
            .filter { $0.path.contains(text) }
    }
}
