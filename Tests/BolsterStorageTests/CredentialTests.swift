import BolsterOracles
import Foundation
import Testing

@testable import BolsterStorage

@Suite("Credentials")
struct CredentialTests {
    private let folder: ScratchFolder
    private let server: PythonServer

    init() throws {
        folder = try ScratchFolder()
        server = try PythonServer([Python.checkout.path + "/Tests/BolsterStorageTests/metadata_server.py"])
    }

    private func source(_ environment: [String: String]) throws -> CredentialSource {
        let environment = environment.merging(["HOME": folder.path]) { first, _ in first }
        return CredentialSource(
            environment: environment, profile: try AWSProfile(environment: environment), region: "r")
    }

    private func found(_ environment: [String: String]) throws -> AWSCredentials {
        try source(environment).credentials(now: Date())
    }

    @Test("The environment comes before the profile")
    func environment() throws {
        try folder.put(".aws/credentials", "[default]\naws_access_key_id=P\naws_secret_access_key=ps\n")
        let given = ["AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "es", "AWS_SESSION_TOKEN": "et"]
        #expect(
            try found(given) == AWSCredentials(accessKeyID: "E", secretAccessKey: "es", sessionToken: "et"))
        #expect(try found([:]) == AWSCredentials(accessKeyID: "P", secretAccessKey: "ps"))
    }

    @Test("Profiles are read from both files, with nested settings; one that is not there is told")
    func profiles() throws {
        try folder.put(
            ".aws/config",
            """
            # comment
            [default]
            region = one
            [profile  other]
            region = two
            endpoint_url = https://s3.example:9000/base/
            s3 =
              addressing_style = path
              max_concurrent_requests = 20
            output = json
            """)
        try folder.put(
            ".aws/credentials",
            "[other]\naws_access_key_id = O\naws_secret_access_key = a=b\naws_session_token = t\n")
        let environment = ["HOME": folder.path, "AWS_PROFILE": "other"]
        let profile = try AWSProfile(environment: environment)
        #expect(profile["output"] == "json" && profile["s3.max_concurrent_requests"] == "20")
        let configuration = try S3Configuration(environment: environment, profile: profile)
        #expect(configuration.region == "two" && configuration.host == "s3.example:9000")
        #expect(configuration.address(bucket: "b", key: "k/l") == ("s3.example:9000", "/base/b/k/l"))
        #expect(
            try found(["AWS_PROFILE": "other"])
                == AWSCredentials(accessKeyID: "O", secretAccessKey: "a=b", sessionToken: "t"))
        #expect(throws: StorageError.self) {
            _ = try AWSProfile(environment: ["HOME": folder.path, "AWS_PROFILE": "none"])
        }
    }

    @Test("A container's endpoint, with its token from the environment or a file", .enabled(if: hasPython))
    func container() throws {
        let uri = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/container"]
        let one = try found(uri.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer x"]) { $1 })
        #expect(one.secretAccessKey == "s1" && one.sessionToken == "t1" && one.expires != nil)
        try folder.put("token", "Bearer x\n")
        let file = ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": folder.path + "/token"]
        #expect(try found(uri.merging(file) { $1 }).accessKeyID.hasPrefix("C"))
        // Without the token it refuses, and its answer is not taken for an absence.
        #expect(throws: StorageError.self) { _ = try found(uri) }
        #expect(throws: StorageError.self) {
            _ = try found(["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.org/container"])
        }
    }

    @Test("An instance's metadata service, by session token", .enabled(if: hasPython))
    func instance() throws {
        let environment = ["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url]
        let credentials = try found(environment)
        #expect(credentials.accessKeyID == "ASIA1" && credentials.sessionToken == "t1")
        let disabled = environment.merging(["AWS_EC2_METADATA_DISABLED": "true"]) { $1 }
        do {
            _ = try found(disabled)
            Issue.record("passes")
        } catch let error as StorageError {
            #expect(error.code == .credentials && error.message.contains("AWS_ACCESS_KEY_ID"))
        }
        #expect(throws: StorageError.self) {
            _ = try found(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"])
        }
    }

    @Test("A web identity's token is exchanged for credentials", .enabled(if: hasPython))
    func webIdentity() throws {
        try folder.put("token", "a.token+/=\n")
        let environment = [
            "AWS_WEB_IDENTITY_TOKEN_FILE": folder.path + "/token", "AWS_ROLE_ARN": "arn:a:role/r",
            "AWS_ENDPOINT_URL_STS": server.url,
        ]
        let credentials = try found(environment)
        #expect(credentials.accessKeyID == "W1" && credentials.secretAccessKey == "w&s")
        #expect(throws: StorageError.self) {
            _ = try found(environment.merging(["AWS_ROLE_ARN": "arn:other"]) { $1 })
        }
    }

    @Test(
        "Temporary credentials are kept, and fetched anew five minutes before they end",
        .enabled(if: hasPython))
    func refresh() throws {
        let source = try source(["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/soon"])
        let early = try #require(AWSCredentials.date("2025-12-31T23:50:00Z"))
        let first = try source.credentials(now: early)
        #expect(try source.credentials(now: early) == first)
        let late = try #require(AWSCredentials.date("2026-01-01T00:00:00Z"))
        #expect(try source.credentials(now: late).accessKeyID != first.accessKeyID)
    }

    @Test("Buckets are addressed as host or as path")
    func addresses() throws {
        func address(_ bucket: String, _ environment: [String: String]) throws -> String {
            let profile = try AWSProfile(environment: ["HOME": folder.path])
            let configuration = try S3Configuration(environment: environment, profile: profile)
            let (host, path) = configuration.address(bucket: bucket, key: "a/b")
            return "\(configuration.scheme)://\(host)\(path)"
        }
        let amazon = ["AWS_REGION": "eu-west-1"]
        #expect(try address("b", amazon) == "https://b.s3.eu-west-1.amazonaws.com/a/b")
        #expect(try address("b.c", amazon) == "https://s3.eu-west-1.amazonaws.com/b.c/a/b")
        let own = ["AWS_ENDPOINT_URL": "http://minio:9000"]
        #expect(try address("b", own) == "http://minio:9000/b/a/b")
        #expect(
            try address("b", own.merging(["BOLSTER_S3_ADDRESSING": "virtual"]) { $1 })
                == "http://b.minio:9000/a/b")
        #expect(
            try address("b", own.merging(["AWS_ENDPOINT_URL_S3": "https://s3:1"]) { $1 })
                == "https://s3:1/b/a/b")
        for endpoint in ["minio:9000", "ftp://x", "https://me:word@x", "https://x?y=1"] {
            #expect(throws: StorageError.self, "\(endpoint)") {
                _ = try address("b", ["AWS_ENDPOINT_URL": endpoint])
            }
        }
    }
}

private let hasPython = S3Server.isAvailable
