/// Where a model computes.
package enum Device: Hashable, Sendable, CustomStringConvertible {
    case cpu
    /// One NVIDIA GPU by its ordinal as CUDA counts them.
    case cuda(Int)

    /// `cpu` or `cuda:N`, as `--devices` takes them.
    package var description: String {
        switch self {
        case .cpu: "cpu"
        case .cuda(let ordinal): "cuda:\(ordinal)"
        }
    }

    /// Takes what `description` gives, and `cuda` for `cuda:0`.
    package init(parsing text: String) throws(InferenceError) {
        switch text {
        case "cpu": self = .cpu
        case "cuda": self = .cuda(0)
        default:
            guard text.hasPrefix("cuda:"), let ordinal = Int(text.dropFirst(5)), (0..<1024).contains(ordinal)
            else {
                throw InferenceError(
                    .deviceInvalid, "\"\(text)\" is no device: write cpu or cuda:N, N from 0")
            }
            self = .cuda(ordinal)
        }
    }
}
