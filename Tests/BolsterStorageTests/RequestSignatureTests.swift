import BolsterDeterminism
import Foundation
import Testing

@testable import BolsterStorage

@Suite("Signature version 4, against botocore")
struct RequestSignatureTests {
    struct Case: Decodable {
        var method: String
        var path: String
        var query: [[String]]
        var headers: [[String]]
        var body: String
        var token: String?
        var authorization: String
    }

    @Test("Methods, odd keys, queries in any order, headers, bodies and tokens: equal signatures")
    func vectors() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let data = try Data(contentsOf: folder.appendingPathComponent("Golden/signatures.json"))
        let cases = try JSONDecoder().decode([Case].self, from: data)
        #expect(cases.count == 20)
        for vector in cases {
            let signature = RequestSignature(
                credentials: AWSCredentials(
                    accessKeyID: "AKIDEXAMPLE", secretAccessKey: "a secret/with+signs",
                    sessionToken: vector.token),
                region: "eu-test-1", service: "s3",
                now: try #require(AWSCredentials.date("2026-11-23T15:30:05Z")))
            let headers = signature.headers(
                signing: RequestSignature.Request(
                    method: vector.method, host: "host.example:9000", path: vector.path,
                    query: vector.query.map { ($0[0], $0[1]) },
                    headers: vector.headers.map { ($0[0], $0[1]) },
                    payloadHash: SHA256Hasher.digest(of: vector.body)))
            #expect(headers.first { $0.name == "authorization" }?.value == vector.authorization)
        }
    }

    @Test("HMAC-SHA256 gives RFC 4231's values")
    func hmac() {
        let first = HMACSHA256.code(key: [UInt8](repeating: 0x0B, count: 20), message: "Hi There")
        #expect(
            Hexadecimal.text(of: first) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        let sixth = HMACSHA256.code(
            key: [UInt8](repeating: 0xAA, count: 131),
            message: "Test Using Larger Than Block-Size Key - Hash Key First")
        #expect(
            Hexadecimal.text(of: sixth) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test("Credentials do not show, however they are printed")
    func hidden() {
        let credentials = AWSCredentials(accessKeyID: "AKID", secretAccessKey: "hunter2", sessionToken: "tok")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), "\([credentials])", dumped] {
            for secret in ["AKID", "hunter2", "tok"] { #expect(!text.contains(secret)) }
        }
    }
}
