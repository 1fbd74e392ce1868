import BolsterHTTP
import Foundation
import Synchronization

/// Finds credentials where AWS's own programs do, the first place that has any, and fetches temporary ones
/// anew before they end:
///
///  1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
///  2. a token file: AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN (a Kubernetes service account)
///  3. the profile's keys
///  4. a container's endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
///  5. an instance's metadata service, version 2, unless AWS_EC2_METADATA_DISABLED is "true"
final class CredentialSource: Sendable {
    private let environment: [String: String]
    private let profile: AWSProfile
    private let region: String
    private let client: HTTPClient
    private let cached = Mutex<AWSCredentials?>(nil)

    init(environment: [String: String], profile: AWSProfile, region: String) {
        self.environment = environment
        self.profile = profile
        self.region = region
        var settings = HTTPSettings()
        // Metadata is this machine's own affair.
        settings.usesProxies = false
        client = HTTPClient(settings)
    }

    /// Credentials that are good for the next minutes. Callers that need new ones at the same time wait for
    /// one fetch.
    func credentials(now: Date) throws(StorageError) -> AWSCredentials {
        let outcome = cached.withLock { cached -> Result<AWSCredentials, StorageError> in
            if let cached, !cached.areStale(now: now) { return .success(cached) }
            let found = Result { () throws(StorageError) in try find() }
            if case .success(let credentials) = found { cached = credentials }
            return found
        }
        return try outcome.get()
    }

    private func find() throws(StorageError) -> AWSCredentials {
        if let id = value("AWS_ACCESS_KEY_ID"), let secret = value("AWS_SECRET_ACCESS_KEY") {
            return AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: value("AWS_SESSION_TOKEN"))
        }
        if let file = value("AWS_WEB_IDENTITY_TOKEN_FILE"), let role = value("AWS_ROLE_ARN") {
            return try ofWebIdentity(tokenFile: file, role: role)
        }
        if let id = profile["aws_access_key_id"], let secret = profile["aws_secret_access_key"] {
            return AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: profile["aws_session_token"])
        }
        if let uri = value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            return try ofContainer(url: "http://169.254.170.2\(uri)")
        }
        if let url = value("AWS_CONTAINER_CREDENTIALS_FULL_URI") { return try ofContainer(url: url) }
        if value("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true", let found = try ofInstance() {
            return found
        }
        throw StorageError(
            .credentials, path: "",
            "no AWS credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor a web identity, "
                + "nor profile '\(profile.name)' of ~/.aws, nor container or instance metadata have any; "
                + "set one of them for this process")
    }

    private func value(_ name: String) -> String? {
        guard let value = environment[name], !value.isEmpty else { return nil }
        return value
    }

    // MARK: Containers

    private func ofContainer(url: String) throws(StorageError) -> AWSCredentials {
        // The token must not cross a network in the clear: plain HTTP only to this machine or link.
        let host = HTTPError.withoutSecrets(url).split(separator: "/").dropFirst().first ?? ""
        let isLocal = ["169.254.", "127.", "localhost", "[::1]", "[fd00:ec2::23]"].contains {
            host.hasPrefix($0)
        }
        guard isLocal || url.hasPrefix("https://") else {
            throw StorageError(
                .credentials, path: HTTPError.withoutSecrets(url),
                "container credentials come over https or from this machine only; correct "
                    + "AWS_CONTAINER_CREDENTIALS_FULL_URI")
        }
        var token = value("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if let file = value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") { token = try text(of: file) }
        let headers = token.map { [(name: "Authorization", value: $0)] } ?? []
        let answer = try fetch("GET", url, headers, who: "the container's credentials endpoint")
        guard let credentials = AWSCredentials(json: answer.body) else {
            throw malformed(url, "the container's credentials endpoint")
        }
        return credentials
    }

    // MARK: Instances

    /// Nil where there is no metadata service: this is no such instance.
    private func ofInstance() throws(StorageError) -> AWSCredentials? {
        let base = value("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? "http://169.254.169.254"
        let root = base.hasSuffix("/") ? String(base.dropLast()) : base
        let token: HTTPResponse
        do {
            token = try client.send(
                metadataRequest(
                    "PUT", "\(root)/latest/api/token", [("X-aws-ec2-metadata-token-ttl-seconds", "21600")]))
        } catch {
            return nil
        }
        guard token.isSuccess else { return nil }
        let headers = [(name: "X-aws-ec2-metadata-token", value: String(decoding: token.body, as: UTF8.self))]
        let folder = "\(root)/latest/meta-data/iam/security-credentials/"
        let who = "the instance's metadata service"
        let roles = try fetch("GET", folder, headers, who: who)
        let role = String(decoding: roles.body, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
        let answer = try fetch("GET", folder + role, headers, who: who)
        guard let credentials = AWSCredentials(json: answer.body) else { throw malformed(folder, who) }
        return credentials
    }

    // MARK: Web identity

    private func ofWebIdentity(tokenFile: String, role: String) throws(StorageError) -> AWSCredentials {
        let session = value("AWS_ROLE_SESSION_NAME") ?? "bolster"
        let base = value("AWS_ENDPOINT_URL_STS") ?? "https://sts.\(region).amazonaws.com"
        let query = RequestSignature.encoded(query: [
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
            ("RoleSessionName", session), ("WebIdentityToken", try text(of: tokenFile)),
        ])
        let who = "the token service (STS)"
        let answer = try fetch(
            "POST", "\(base)/", [("Content-Type", "application/x-www-form-urlencoded")],
            body: Array(query.utf8), who: who)
        let document = XMLScan(answer.body)
        guard let id = document.text(of: "AccessKeyId"), let secret = document.text(of: "SecretAccessKey"),
            let token = document.text(of: "SessionToken")
        else { throw malformed(base, who) }
        return AWSCredentials(
            accessKeyID: id, secretAccessKey: secret, sessionToken: token,
            expires: document.text(of: "Expiration").flatMap(AWSCredentials.date))
    }

    // MARK: Asking

    private func metadataRequest(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)]
    ) -> HTTPRequest {
        HTTPRequest(
            method: method, url: url, headers: headers, timeout: .seconds(5), connectTimeout: .seconds(1))
    }

    /// A successful answer, asked for up to three times.
    private func fetch(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)], body: [UInt8] = [],
        who: String
    ) throws(StorageError) -> HTTPResponse {
        var reason = ""
        for _ in 0..<3 {
            do throws(HTTPError) {
                var request = metadataRequest(method, url, headers)
                request.body = body
                let answer = try client.send(request)
                if answer.isSuccess { return answer }
                reason = "status \(answer.status)"
                if answer.status < 500 { break }
            } catch {
                reason = error.message
            }
        }
        throw StorageError(
            .credentials, path: HTTPError.withoutSecrets(url),
            "\(who) gives no credentials (\(reason)); check the role that this machine or container has")
    }

    private func text(of file: String) throws(StorageError) -> String {
        guard let bytes = FileManager.default.contents(atPath: file) else {
            throw StorageError(.credentials, path: file, "cannot read the token that the environment names")
        }
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func malformed(_ url: String, _ who: String) -> StorageError {
        StorageError(
            .credentials, path: HTTPError.withoutSecrets(url),
            "\(who) answers with something that holds no credentials; is the role attached?")
    }
}
