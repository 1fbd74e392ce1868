/// The names of logged values.
enum LogKey {
    static let worker = "worker"
    static let host = "host"
    static let unit = "unit"
    static let shard = "shard"
    static let epoch = "epoch"
    static let chunk = "chunk"
    static let reason = "reason"
    static let peer = "peer"
    static let generation = "generation"
    static let endpoint = "endpoint"
    static let attempts = "attempts"
    static let backup = "backup"
    static let count = "count"
    static let output = "output"
    static let found = "found"
    static let seconds = "seconds"
}
