import BolsterDeterminism
import SwiftProtobuf

extension CoordinatorFrame {
    /// The frame's bytes; a message longer than the limit is our own fault and traps.
    package func encode() -> [UInt8] {
        var frame = WireCoordinatorFrame()
        frame.version = LeaseProtocol.version
        frame.generation = generation
        frame.body = message.wire
        return encoded(frame)
    }

    /// Reads one frame; every number is checked.
    package static func decode(_ bytes: [UInt8]) throws(LeasingError) -> CoordinatorFrame {
        let frame: WireCoordinatorFrame = try decoded(bytes, version: \.version)
        guard let body = frame.body else {
            throw malformed("a coordinator's frame without a message", "body")
        }
        return CoordinatorFrame(generation: frame.generation, message: try CoordinatorMessage(body))
    }
}

extension CoordinatorMessage {
    fileprivate var wire: WireCoordinatorFrame.OneOf_Body {
        switch self {
        case .welcome(let welcome): .welcome(welcome.wire)
        case .refused(let refusal): .refused(refusal.wire)
        case .grant(let grant): .grant(grant.wire)
        case .wait(let ask, let retry):
            .wait(.with { ($0.ask, $0.retryMs) = (ask, retry.milliseconds) })
        case .finished(let quarantined, let blocked):
            .finished(.with { ($0.quarantined, $0.blocked) = (UInt64(quarantined), UInt64(blocked)) })
        case .drain: .drain(WireDrain())
        case .heartbeatReply(let revoked, let drain):
            .heartbeat(.with { ($0.revoked, $0.drain) = (revoked.map(\.wire), drain) })
        case .committed(let epoch, let chunk, let unitDone):
            .committed(.with { ($0.epoch, $0.chunk, $0.unitDone) = (epoch.wire, UInt32(chunk), unitDone) })
        case .commitRefused(let epoch, let chunk, let reason, let message):
            .commitRefused(
                .with {
                    ($0.epoch, $0.chunk, $0.reason) = (epoch.wire, UInt32(chunk), reason.wire)
                    $0.message = cut(message, LeaseProtocol.messageBytesMax)
                })
        case .released(let epoch): .released(.with { $0.epoch = epoch.wire })
        case .noted(let epoch, let attempts, let quarantined):
            .noted(
                .with {
                    ($0.epoch, $0.attempts, $0.quarantined) = (epoch.wire, UInt32(attempts), quarantined)
                })
        case .announced(let epoch, let sample):
            .announced(.with { ($0.epoch, $0.sample) = (epoch.wire, UInt32(sample)) })
        case .statusReply(let status): .status(status.wire)
        case .operatorReply(let reply): .operator(reply.wire)
        }
    }

    fileprivate init(_ body: WireCoordinatorFrame.OneOf_Body) throws(LeasingError) {
        switch body {
        case .welcome(let welcome): self = .welcome(try Welcome(welcome))
        case .refused(let refused): self = .refused(try Refusal(refused))
        case .grant(let grant): self = .grant(try Grant(grant))
        case .wait(let wait):
            self = .wait(ask: wait.ask, retry: try duration(milliseconds: wait.retryMs, "retry_ms"))
        case .finished(let end):
            self = .finished(
                quarantined: try count(end.quarantined, "quarantined"),
                blocked: try count(end.blocked, "blocked"))
        case .drain: self = .drain
        case .heartbeat(let reply):
            try bounded(reply.revoked.count, 4 * LeaseProtocol.leasesPerWorkerMax, "revoked leases")
            var revoked: [Epoch] = []
            for epoch in reply.revoked { revoked.append(try Epoch(epoch)) }
            self = .heartbeatReply(revoked: revoked, drain: reply.drain)
        case .committed(let reply):
            self = .committed(
                try Epoch(reply.hasEpoch ? reply.epoch : nil), chunk: try chunkNumber(reply.chunk),
                unitDone: reply.unitDone)
        case .commitRefused(let reply):
            self = .commitRefused(
                try Epoch(reply.hasEpoch ? reply.epoch : nil), chunk: try chunkNumber(reply.chunk),
                try CommitRefusal(reply.reason), message: cut(reply.message, LeaseProtocol.messageBytesMax))
        case .released(let reply): self = .released(try Epoch(reply.hasEpoch ? reply.epoch : nil))
        case .noted(let reply):
            self = .noted(
                try Epoch(reply.hasEpoch ? reply.epoch : nil), attempts: Int(reply.attempts),
                quarantined: reply.quarantined)
        case .announced(let reply):
            self = .announced(try Epoch(reply.hasEpoch ? reply.epoch : nil), sample: Int(reply.sample))
        case .status(let status): self = .statusReply(try StatusReply(status))
        case .operator(let reply): self = .operatorReply(try OperatorReply(reply))
        }
    }
}

extension Welcome {
    fileprivate var wire: WireWelcome {
        .with {
            $0.manifest = manifest
            $0.manifestDirectory = manifestDirectory
            $0.output = output
            $0.run = run
            $0.stages = stages.map { stage in
                .with { ($0.stage, $0.fingerprint) = (stage.stage, stage.fingerprint.wire) }
            }
            $0.heartbeatMs = heartbeat.milliseconds
            $0.expiresMs = expires.milliseconds
        }
    }

    fileprivate init(_ wire: WireWelcome) throws(LeasingError) {
        var stages: [StageFingerprint] = []
        for stage in wire.stages {
            stages.append(
                StageFingerprint(
                    stage: try name(stage.stage, "stage"), fingerprint: try digest(stage.fingerprint)))
        }
        self.init(
            manifest: wire.manifest, manifestDirectory: wire.manifestDirectory, output: wire.output,
            run: wire.run,
            stages: stages, heartbeat: try duration(milliseconds: max(1, wire.heartbeatMs), "heartbeat_ms"),
            expires: try duration(milliseconds: wire.expiresMs, "expires_ms"))
    }
}

extension Refusal {
    fileprivate var wire: WireRefused {
        .with {
            $0.message = cut(message, LeaseProtocol.messageBytesMax)
            $0.reason =
                switch reason {
                case .unknownWorker: .unknownWorker
                case .version: .version
                case .replaced: .replaced
                case .nameTaken: .nameTaken
                case .malformed: .malformed
                case .crowded: .crowded
                }
        }
    }

    fileprivate init(_ wire: WireRefused) throws(LeasingError) {
        let reason: Reason
        switch wire.reason {
        case .unknownWorker: reason = .unknownWorker
        case .version: reason = .version
        case .replaced: reason = .replaced
        case .nameTaken: reason = .nameTaken
        case .malformed: reason = .malformed
        case .crowded: reason = .crowded
        case .UNRECOGNIZED(let number):
            throw BolsterLeasing.malformed("an unknown refusal", "reason \(number)")
        }
        self.init(reason, cut(wire.message, LeaseProtocol.messageBytesMax))
    }
}

extension CommitRefusal {
    fileprivate var wire: WireCommitRefused.Reason {
        switch self {
        case .alreadyCommitted: .alreadyCommitted
        case .neverGranted: .neverGranted
        case .fingerprint: .fingerprint
        case .malformed: .malformed
        }
    }

    fileprivate init(_ wire: WireCommitRefused.Reason) throws(LeasingError) {
        switch wire {
        case .alreadyCommitted: self = .alreadyCommitted
        case .neverGranted: self = .neverGranted
        case .fingerprint: self = .fingerprint
        case .malformed: self = .malformed
        case .UNRECOGNIZED(let number):
            throw BolsterLeasing.malformed("an unknown refusal of a commit", "reason \(number)")
        }
    }
}

extension Grant {
    fileprivate var wire: WireGrant {
        .with {
            $0.ask = ask
            $0.unit = unit.wire
            $0.shard = shard.wire
            $0.fingerprint = fingerprint.wire
            $0.epoch = epoch.wire
            $0.committed = committed.map { range in
                .with { ($0.first, $0.end) = (UInt32(range.lowerBound), UInt32(range.upperBound)) }
            }
            ($0.firstChunk, $0.offset) = (UInt32(firstChunk), offset)
            $0.firstSample = UInt64(firstSample)
            $0.reads = reads ?? ""
            $0.sources = sources.map { source in
                .with {
                    ($0.chunk, $0.epoch) = (UInt32(source.chunk), source.epoch.wire)
                    ($0.digest, $0.samples) = (source.digest, UInt32(source.samples))
                }
            }
            $0.isolation = isolation.map { isolated in
                .with { ($0.chunk, $0.skip) = (UInt32(isolated.chunk), isolated.skip.map(UInt32.init)) }
            }
        }
    }

    fileprivate init(_ wire: WireGrant) throws(LeasingError) {
        guard wire.offset >= 0, wire.hasShard else {
            throw malformed("a grant without a possible place in its shard", "offset \(wire.offset)")
        }
        var committed: [Range<Int>] = []
        for range in wire.committed {
            let first = try chunkNumber(range.first)
            let end = try chunkNumber(range.end)
            guard first < end else {
                throw malformed("a grant with an empty range of chunks", "\(first)..<\(end)")
            }
            committed.append(first..<end)
        }
        var sources: [Source] = []
        for source in wire.sources {
            sources.append(
                Source(
                    chunk: try chunkNumber(source.chunk),
                    epoch: try Epoch(source.hasEpoch ? source.epoch : nil),
                    digest: source.digest, samples: Int(source.samples)))
        }
        var isolation: [Isolation] = []
        for isolated in wire.isolation {
            isolation.append(
                Isolation(chunk: try chunkNumber(isolated.chunk), skip: isolated.skip.map(Int.init)))
        }
        self.init(
            ask: wire.ask, unit: try UnitID(wire.unit),
            shard: try ShardReference(wire.shard), fingerprint: try digest(wire.fingerprint),
            epoch: try Epoch(wire.hasEpoch ? wire.epoch : nil),
            committed: committed, firstChunk: try chunkNumber(wire.firstChunk), offset: wire.offset,
            firstSample: try count(wire.firstSample, "first_sample"),
            reads: wire.reads.isEmpty ? nil : try name(wire.reads, "reads"), sources: sources,
            isolation: isolation)
    }
}
