/// What stops a unit or a worker. A bad sample is not here: it is a skip in the records.
package struct WorkerError: Error, CustomStringConvertible {
    package enum Code: Sendable {
        /// The manifest asks for what its models cannot do.
        case wrongManifest
        /// An environment variable that the manifest names is not set here.
        case wrongEnvironment
        /// The coordinator's manifest, fingerprints or records and this worker's disagree.
        case mismatch
        /// A model's result has the wrong shape or length.
        case wrongResult
        /// A device that computed rightly before answers its probe wrongly.
        case wrongAnswers
        /// A captioner's endpoint was not there, or too busy, for as long as the manifest waits.
        case endpointDown
        /// A captioner's endpoint will answer nothing: a wrong address, key or model.
        case endpointMisconfigured
        /// A captioner's endpoint failed at many samples in a row.
        case endpointBroken
        /// A batch in the middle of a chunk found no memory; the chunk is begun again with half of it.
        case batchHalved
        /// A device that is none, or is named twice.
        case wrongDevice
        /// The output takes no record files from this worker: a full disk, missing rights.
        case unwritable
        /// The coordinator refused this worker, or did not answer.
        case refused
    }

    package let code: Code
    package let message: String
    /// The key, file or address that shows it.
    package let evidence: String?
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String, evidence: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.evidence = evidence
        self.cause = cause
    }

    package var description: String {
        var text = message
        if let evidence { text += " (\(evidence))" }
        if let cause { text += ": \(cause)" }
        return text
    }
}
