import BolsterDeterminism
import BolsterLeasing

/// What must hold for any bytes that come as a frame: they are refused, or mean the same when they are
/// written again. Run by the fuzzer, and by a test on all that the fuzzer has found.
package enum FrameCheck {
    /// Compares bytes, not values: a rate that is no number equals nothing, itself included.
    package static func holds(_ bytes: [UInt8]) -> Bool {
        let worker = { (bytes: [UInt8]) throws(LeasingError) in try WorkerFrame.decode(bytes).encode() }
        let coordinator = { (bytes: [UInt8]) throws(LeasingError) in
            try CoordinatorFrame.decode(bytes).encode()
        }
        return isStable(bytes, worker) && isStable(bytes, coordinator)
    }

    /// - Parameter rewritten: decodes and encodes.
    private static func isStable(
        _ bytes: [UInt8], _ rewritten: ([UInt8]) throws(LeasingError) -> [UInt8]
    ) -> Bool {
        let first: [UInt8]
        do throws(LeasingError) {
            first = try rewritten(bytes)
        } catch {
            return !error.message.isEmpty
        }
        do throws(LeasingError) {
            return try rewritten(first) == first
        } catch {
            return false
        }
    }
}

extension FrameCheck {
    /// Valid frames of both sides, for a fuzzer to begin with.
    package static var examples: [[UInt8]] {
        workerMessages.map {
            WorkerFrame(worker: WorkerID("n/cuda:3"), incarnation: 7, generation: 2, message: $0).encode()
        } + coordinatorMessages.map { CoordinatorFrame(generation: 3, message: $0).encode() }
    }

    private static let unit = UnitID(stage: "views", shard: 300)
    private static let epoch = Epoch(generation: 3, grant: 12)
    private static let fingerprint = SHA256Hasher.digest(of: "f")
    private static let shard = ShardReference(
        index: 300, name: "s300", location: "s3://b/s300.tar", size: 1 << 40, version: "7")

    private static var workerMessages: [WorkerMessage] {
        let result = ChunkResult(
            chunk: 4, digest: .max, bytes: 99, samples: 8, skipped: 1, isLast: true, rangeEnd: 1 << 33)
        let report = LeaseReport(epoch: epoch, phase: .loading, chunk: 4, samplesDone: 9)
        return [
            .hello(Hello(host: "n", labels: ["a", "b"], device: "cuda:3", computeClass: "c", program: "1")),
            .ask(Ask(number: 3, loadedStages: ["views"], cachedShards: [1, 300])),
            .heartbeat(Heartbeat(leases: [report], samplesPerSecond: 0.5)),
            .commit(
                Commit(
                    unit: unit, epoch: epoch, fingerprint: fingerprint, file: "records/x", result: result,
                    deviceTime: .seconds(3))),
            .release(unit, epoch), .statusRequest,
            .fail(Fail(unit: unit, epoch: epoch, blame: .device, message: "m", sample: "k")),
            .announce(Announcement(unit: unit, epoch: epoch, sample: 5, key: "k")),
            .operatorRequest(.drain), .operatorRequest(.extend(ExtendRequest(shards: [shard]))),
            .operatorRequest(.retry(RetryRequest(stages: ["views"], units: [unit], shards: ["s300"]))),
            .operatorRequest(.invalidate(InvalidateRequest(worker: WorkerID("w"), since: 5, stage: "views"))),
        ]
    }

    private static var coordinatorMessages: [CoordinatorMessage] {
        var grant = Grant(ask: 3, unit: unit, shard: shard, fingerprint: fingerprint, epoch: epoch)
        grant.committed = [0..<2, 4..<9]
        (grant.firstChunk, grant.offset, grant.firstSample, grant.reads) = (2, 1 << 34, 16, "captions")
        grant.sources = [Grant.Source(chunk: 0, epoch: epoch, digest: 1, samples: 8)]
        grant.isolation = [Grant.Isolation(chunk: 2, skip: [17])]
        var status = StatusReply(
            run: "r", state: .draining, stages: [StageStatus(stage: "views")], workers: [], workersTotal: 1,
            quarantined: [QuarantinedUnit(unit: unit, shard: "s", attempts: 3, message: "m")],
            running: .seconds(9))
        status.refused = [.stranger: 2]
        return [
            .grant(grant), .statusReply(status), .wait(ask: 3, retry: .seconds(1)), .drain,
            .refused(Refusal(.nameTaken, "no")), .heartbeatReply(revoked: [epoch], drain: true),
            .committed(epoch, chunk: 4, unitDone: true), .noted(epoch, attempts: 1, quarantined: false),
            .commitRefused(epoch, chunk: 4, .neverGranted, message: "no"), .announced(epoch, sample: 5),
            .operatorReply(OperatorReply(refusal: "no", units: 1, chunks: 2, shards: 3)),
            .finished(quarantined: 1, blocked: 2), .released(epoch),
        ]
    }
}
