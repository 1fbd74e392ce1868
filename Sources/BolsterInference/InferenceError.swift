/// What went wrong with the runtime, a model package or a run of a graph.
package struct InferenceError: Error, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// No ONNX Runtime was found.
        case runtimeMissing
        /// A file was found that is no ONNX Runtime, or too old a one.
        case runtimeUnusable
        /// The runtime has no provider for the device asked for.
        case providerMissing
        /// A device was written in a way that is none.
        case deviceInvalid
        /// model.json, a vocabulary or a probe says something that cannot be.
        case packageInvalid
        /// A file of the package is not the one that model.json names.
        case packageDamaged
        /// A graph has other inputs and outputs than the package's kind asks for.
        case graphInvalid
        /// The runtime refused or failed a call.
        case runFailed
        /// Memory of the device or of the process is exhausted: a smaller batch may do.
        case outOfMemory
        /// The device answers otherwise than PyTorch did when the package was made.
        case probeFailed
        /// A model's output is not finite or not of unit length.
        case valueInvalid
        /// A captioner's endpoint is down, refuses everything, or answers what is no chat completion.
        case endpointFailed
        /// The caller's decoding settings contradict each other or the model.
        case decodingInvalid
    }

    package let code: Code
    /// A sentence that a person can act on; names file and key where there are any.
    package let message: String
    /// The file the message is about, if it is about one.
    package let file: String?
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String, file: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.file = file
        self.cause = cause
    }

    package var description: String { message }
}
