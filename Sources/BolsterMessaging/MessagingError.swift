import CZMQ
import Glibc

/// What the messaging layer refuses or could not do.
package struct MessagingError: Error, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// The endpoint's text is not one this transport understands.
        case badEndpoint
        /// Another process listens there already.
        case endpointInUse
        /// The endpoint leaves this machine and no keys were given.
        case keysRequired
        /// A key is not 40 characters of Z85, or a pair does not belong together.
        case badKey
        /// A key file or allow-list is missing, damaged, or readable by the wrong people.
        case badKeyFile
        /// A coordinator's rendezvous file is damaged.
        case badRendezvous
        /// A frame is longer than `MessagingLimits.frameBytesMax`.
        case frameTooLarge
        /// libzmq or the operating system refused a call.
        case system
    }

    package let code: Code
    /// A sentence a person can act on.
    package let message: String
    /// What it was about: an endpoint, a path, the name of a call.
    package let evidence: String
    /// The error beneath, as the system words it.
    package let cause: String?

    package init(_ code: Code, _ message: String, evidence: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.evidence = evidence
        self.cause = cause
    }

    package var description: String {
        "\(evidence): \(message)" + (cause.map { " (\($0))" } ?? "")
    }

    /// The error a call into libzmq left in its `errno`.
    static func lastCall(_ call: String, _ message: String) -> MessagingError {
        MessagingError(.system, message, evidence: call, cause: String(cString: zmq_strerror(zmq_errno())))
    }

    /// The error a system call on `path` left in `errno`.
    static func file(_ path: String, _ message: String, errno code: Int32) -> MessagingError {
        MessagingError(.badKeyFile, message, evidence: path, cause: String(cString: strerror(code)))
    }
}
