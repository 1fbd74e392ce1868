/// "s3://bucket/key" taken apart.
struct S3Location: Sendable, Hashable {
    static let scheme = "s3://"

    let bucket: String
    /// Without a slash at its beginning; may be empty.
    let key: String

    init(bucket: String, key: String) {
        self.bucket = bucket
        self.key = key
    }

    init(_ url: String) throws(StorageError) {
        let parts = url.dropFirst(Self.scheme.count).split(
            separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard url.hasPrefix(Self.scheme), let bucket = parts.first, Self.isBucketName(bucket) else {
            throw StorageError(
                .unsafeName, path: url,
                "is no place in a bucket; expected s3://bucket/key, the bucket of letters, digits, dots "
                    + "and hyphens")
        }
        self.bucket = String(bucket)
        key = parts.count > 1 ? String(parts[1]) : ""
    }

    var url: String { "\(Self.scheme)\(bucket)/\(key)" }

    /// Loosely: what some server may take, and nothing that would change the request's host.
    private static func isBucketName(_ name: Substring) -> Bool {
        (1...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
                    UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
