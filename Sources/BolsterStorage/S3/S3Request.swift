/// One operation on a bucket or a key.
struct S3Request: Sendable {
    var method: String
    var location: S3Location
    var query: [(name: String, value: String)] = []
    /// Names in lower case.
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// Completes "cannot …".
    var doing: String
    /// Statuses beside 2xx that the caller understands.
    var understood: Set<Int> = []
}
