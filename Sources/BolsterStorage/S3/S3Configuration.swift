import Foundation

/// Where buckets are and how they are addressed: from environment and profile files, never from a manifest.
///
///     AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, profile endpoint_url     else Amazon's of the region
///     AWS_REGION, AWS_DEFAULT_REGION, profile region                  else us-east-1
///     BOLSTER_S3_ADDRESSING, profile s3.addressing_style              path or virtual
///     AWS_CA_BUNDLE                                                   trusted certificates (PEM)
struct S3Configuration: Sendable {
    enum Addressing: String, Sendable {
        /// https://endpoint/bucket/key
        case path
        /// https://bucket.endpoint/key
        case virtual
    }

    /// "https" or "http".
    let scheme: String
    /// "host" or "host:port", without a bucket.
    let host: String
    /// What the endpoint's own path begins with, without a slash at its end.
    let basePath: String
    let region: String
    /// Nil for whatever suits the bucket's name.
    let addressing: Addressing?
    let isAmazon: Bool

    init(environment: [String: String], profile: AWSProfile) throws(StorageError) {
        func first(_ names: [String], _ key: String) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? profile[key]
        }
        region = first(["AWS_REGION", "AWS_DEFAULT_REGION"], "region") ?? "us-east-1"
        let style = first(["BOLSTER_S3_ADDRESSING"], "s3.addressing_style")
        addressing = style.flatMap(Addressing.init)
        guard addressing != nil || style == nil || style == "auto" else {
            throw StorageError(
                .misconfigured, path: "",
                "the S3 addressing style '\(style ?? "")' is none; expected path, virtual or auto")
        }
        guard let endpoint = first(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"], "endpoint_url") else {
            (scheme, basePath, isAmazon) = ("https", "", true)
            host = "s3.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
            return
        }
        let parts = endpoint.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, ["http:", "https:"].contains(parts[0]), parts[1].isEmpty, !parts[2].isEmpty,
            !parts[2].contains("@"), !endpoint.contains("?")
        else {
            throw StorageError(
                .misconfigured, path: "",
                "the S3 endpoint is no URL like https://host:port, without a user, a password or a query")
        }
        scheme = String(parts[0].dropLast())
        host = String(parts[2])
        isAmazon = host.hasSuffix(".amazonaws.com")
        let path = parts.count > 3 ? parts[3].split(separator: "/").joined(separator: "/") : ""
        basePath = path.isEmpty ? "" : "/" + path
    }

    /// Host and unencoded path of a key in a bucket; of the bucket itself where the key is empty.
    func address(bucket: String, key: String) -> (host: String, path: String) {
        // A dot in a bucket's name would fall outside the certificate of its host.
        let suits = isAmazon && !bucket.contains(".")
        switch addressing ?? (suits ? .virtual : .path) {
        case .virtual: return ("\(bucket).\(host)", "\(basePath)/\(key)")
        case .path: return (host, "\(basePath)/\(bucket)" + (key.isEmpty ? "" : "/\(key)"))
        }
    }
}
