extension ShardReference {
    var wire: WireShard {
        .with {
            ($0.index, $0.name, $0.location) = (UInt32(index), name, location)
            ($0.size, $0.version) = (size, version)
        }
    }

    init(_ wire: WireShard) throws(LeasingError) {
        guard wire.size >= 0 else { throw malformed("a shard of negative size", "\(wire.size)") }
        self.init(
            index: Int(wire.index), name: wire.name, location: wire.location, size: wire.size,
            version: wire.version)
    }
}

extension RetryRequest {
    var wire: WireRetryRequest {
        .with { ($0.stages, $0.units, $0.shards) = (stages, units.map(\.wire), shards) }
    }

    init(_ wire: WireRetryRequest) throws(LeasingError) {
        let count = wire.stages.count + wire.units.count + wire.shards.count
        try bounded(count, LeaseProtocol.retriesMax, "units to retry")
        var stages: [String] = []
        for stage in wire.stages { stages.append(try name(stage, "stage")) }
        var units: [UnitID] = []
        for unit in wire.units { units.append(try UnitID(unit)) }
        var shards: [String] = []
        for shard in wire.shards { shards.append(try name(shard, "shard")) }
        self.init(stages: stages, units: units, shards: shards)
    }
}

extension InvalidateRequest {
    var wire: WireInvalidateRequest {
        .with { ($0.worker, $0.since, $0.stage) = (worker.name, since, stage ?? "") }
    }

    init(_ wire: WireInvalidateRequest) throws(LeasingError) {
        let stage = try name(wire.stage, "stage")
        self.init(
            worker: WorkerID(try name(wire.worker, "worker")), since: wire.since,
            stage: stage.isEmpty ? nil : stage)
    }
}

extension ExtendRequest {
    var wire: WireExtendRequest { .with { $0.shards = shards.map(\.wire) } }

    init(_ wire: WireExtendRequest) throws(LeasingError) {
        try bounded(wire.shards.count, LeaseProtocol.shardsPerExtensionMax, "shards")
        var shards: [ShardReference] = []
        for shard in wire.shards {
            guard !shard.name.isEmpty else { throw malformed("a shard without a name", "\(shard.index)") }
            _ = try name(shard.name, "shard")
            shards.append(try ShardReference(shard))
        }
        self.init(shards: shards)
    }
}

extension OperatorReply {
    var wire: WireOperatorReply {
        .with {
            $0.refusal = cut(refusal, LeaseProtocol.messageBytesMax)
            ($0.units, $0.chunks, $0.shards) = (UInt64(units), UInt64(chunks), UInt64(shards))
        }
    }

    init(_ wire: WireOperatorReply) throws(LeasingError) {
        self.init(
            refusal: cut(wire.refusal, LeaseProtocol.messageBytesMax), units: try count(wire.units, "units"),
            chunks: try count(wire.chunks, "chunks"), shards: try count(wire.shards, "shards"))
    }
}
