/// The keys of this module's log metadata.
enum LogKey {
    static let bottleneck = "bottleneck"
    static let chunk = "chunk"
    static let device = "device"
    static let endpoint = "endpoint"
    static let epoch = "epoch"
    static let error = "error"
    static let model = "model"
    static let reason = "reason"
    static let refusals = "key_refusals"
    static let samples = "samples"
    static let seconds = "seconds"
    static let signal = "signal"
    static let shard = "shard"
    static let skipped = "skipped"
    static let stage = "stage"
    static let worker = "worker"
}
