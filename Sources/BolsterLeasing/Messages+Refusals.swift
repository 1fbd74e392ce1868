/// What a coordinator refuses to anyone: connections, frames, and what a frame asks for. The names are those
/// of the metric's label; Metrics.md says what each one means.
package enum RefusalKind: String, CaseIterable, Sendable {
    // Connections
    case stranger, handshake, cut
    // Frames
    case revoked, oversized, unreadable, version, generation
    case severalParts = "several_parts"
    // What they ask for
    case hello, order
    case commitNotGranted = "commit_not_granted"
    case commitImpossible = "commit_impossible"
    case commitOutdated = "commit_outdated"
}

/// A device that answered its probe wrongly: it gets no leases of the stage.
package struct RefusedDevice: Equatable, Sendable {
    package var worker: WorkerID
    package var host: String
    /// "cuda:3"
    package var device: String
    package var stage: String
    /// What was wrong.
    package var message: String
    /// Since it was refused.
    package var ago: Duration

    package init(
        worker: WorkerID, host: String, device: String, stage: String, message: String, ago: Duration
    ) {
        self.worker = worker
        self.host = host
        self.device = device
        self.stage = stage
        self.message = message
        self.ago = ago
    }
}

extension StatusReply {
    /// "12 stranger, 3 several parts": what was refused at all; nil where nothing was.
    package var refusedText: String? {
        let parts = RefusalKind.allCases.compactMap { kind in
            refused[kind].flatMap { $0 > 0 ? "\($0) \(kind.rawValue.replacing("_", with: " "))" : nil }
        }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}
