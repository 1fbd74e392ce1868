import BolsterLeasing

/// The compute thread of a simulated worker: loading, rehearsals, chunks, record files, as `UnitRunner` does
/// them, in virtual time.
extension Simulation {
    // MARK: What the session asks for

    func begin(_ worker: WorkerProcess) throws {
        guard worker.work == nil, !worker.queue.isEmpty else { return }
        let grant = worker.queue.removeFirst()
        let isLoaded = worker.loaded.contains(grant.unit.stage)
        let isStuck = !isLoaded && !isCalm && random.chance(scenario.faults.stuckLoad)
        let seconds = isStuck ? (100, 1_000) : scenario.loadSeconds
        let time = isLoaded ? .milliseconds(20) : random.time(seconds.0, seconds.1)
        var work = WorkerProcess.Work(
            grant: grant, chunk: grant.firstChunk, stepBegan: now, stepEnds: now + time)
        let crashing = Set(grant.isolation.flatMap(\.skip))
        for isolation in grant.isolation where !grant.isCommitted(isolation.chunk) {
            work.rehearsals += scenario.samples(of: isolation.chunk, shard: grant.unit.shard)
                .filter { !crashing.contains($0) }
        }
        work.rehearsals.sort()
        worker.work = work
        worker.session.machine.progressed(
            grant.epoch, phase: .loading, chunk: grant.firstChunk, samplesDone: 0)
        schedule(worker)
    }

    func stop(_ worker: WorkerProcess, _ epoch: Epoch) throws {
        if worker.work?.grant.epoch == epoch { worker.work!.mustStop = true }
        try dropQueued(worker, epoch)
    }

    func abandon(_ worker: WorkerProcess, _ epoch: Epoch) throws {
        try dropQueued(worker, epoch)
        guard let work = worker.work, work.grant.epoch == epoch else { return }
        worker.work!.isAbandoned = true
        switch work.step {
        case .announcing: try end(worker, .stopped)
        case .loading, .storing: break
        case .trying, .computing:
            // Noticed at the next sample's boundary.
            worker.work!.stepEnds = min(work.stepEnds, now + random.time(0, 1))
            schedule(worker)
        }
    }

    private func dropQueued(_ worker: WorkerProcess, _ epoch: Epoch) throws {
        guard let index = worker.queue.firstIndex(where: { $0.epoch == epoch }) else { return }
        worker.queue.remove(at: index)
        try act(worker, worker.session.machine.workEnded(epoch, .stopped, now: worker.clock.local(now)))
    }

    func proceed(_ worker: WorkerProcess, _ epoch: Epoch, _ sample: Int) {
        guard let work = worker.work, work.grant.epoch == epoch, case .announcing(let announced) = work.step,
            announced == sample, let next = work.rehearsals.first
        else { return }
        worker.work!.rehearsals.removeFirst()
        enter(worker, .trying(next), random.time(0.05, 0.5))
    }

    // MARK: Steps

    private func enter(_ worker: WorkerProcess, _ step: WorkerProcess.Work.Step, _ time: Duration) {
        worker.work!.step = step
        worker.work!.stepBegan = now
        worker.work!.stepEnds = now + time
        schedule(worker)
    }

    /// The step's end is an event; a device that hangs puts it off.
    private func schedule(_ worker: WorkerProcess) {
        worker.work!.token += 1
        events.insert(
            .step(worker: worker.number, token: worker.work!.token),
            due: max(worker.work!.stepEnds, worker.hungUntil))
    }

    func step(_ number: Int, _ token: Int) throws {
        guard let worker = workers[number], let work = worker.work, work.token == token else { return }
        let due = max(work.stepEnds, worker.frozenUntil, worker.hungUntil)
        guard now >= due else { return events.insert(.step(worker: number, token: token), due: due) }
        let unit = work.grant.unit
        switch work.step {
        case .loading:
            worker.loaded.removeAll { $0 == unit.stage }
            worker.loaded.insert(unit.stage, at: 0)
            worker.session.machine.loadedStagesChanged(worker.loaded)
            try observe(.advanced(work.grant.epoch))
            if !work.isAbandoned, let left = failuresLeft[unit], left > 0 {
                failuresLeft[unit] = left == .max ? left : left - 1
                return try end(worker, .failed(.shard, message: "this unit fails", sample: nil))
            }
            try proceed(worker)
        case .announcing: break
        case .trying(let sample):
            if scenario.poison[unit]?.contains(sample) ?? false { return try die(worker, sample) }
            try advance(worker, samples: 1)
            try proceed(worker)
        case .computing(let chunk):
            if work.isAbandoned { return try end(worker, .stopped) }
            let skipped = skips(work.grant, chunk)
            let own = scenario.samples(of: chunk, shard: unit.shard)
            if let sample = scenario.poison[unit]?.sorted().first(where: {
                own.contains($0) && !skipped.contains($0)
            }) {
                return try die(worker, sample)
            }
            try advance(worker, samples: own.count)
            try beginStoring(worker, chunk, skipped)
        case .storing(let record):
            try finishStoring(worker, record)
        }
    }

    private func die(_ worker: WorkerProcess, _ sample: Int) throws {
        let unit = worker.work!.grant.unit
        try endWorker(worker, why: "sample \(sample) of \(unit) kills it", computing: (unit, sample))
    }

    private func advance(_ worker: WorkerProcess, samples: Int) throws {
        worker.work!.samplesDone += samples
        try observe(.advanced(worker.work!.grant.epoch))
    }

    /// Chooses the next step, or ends the work.
    private func proceed(_ worker: WorkerProcess) throws {
        let work = worker.work!
        if work.isAbandoned { return try end(worker, .stopped) }
        if let sample = work.rehearsals.first {
            let told = canary == .wrongSampleAnnounced ? max(0, sample - 1) : sample
            worker.work!.step = .announcing(told)
            worker.work!.token += 1
            return try act(
                worker,
                worker.session.machine.sampleAnnounced(
                    work.grant.epoch, sample: told, key: "sample\(told)", now: worker.clock.local(now)))
        }
        var chunk = work.chunk
        let chunks = scenario.chunks(ofShard: work.grant.unit.shard)
        while chunk < chunks, !work.grant.wants(chunk) { chunk += 1 }
        worker.work!.chunk = chunk
        guard chunk < chunks else { return try end(worker, .complete) }
        if work.mustStop { return try end(worker, .stopped) }
        guard !worker.session.machine.isFull else {
            worker.work!.step = .loading
            return enter(worker, .loading, .milliseconds(200))
        }
        enter(
            worker, .computing(chunk: chunk), random.time(scenario.chunkSeconds.0, scenario.chunkSeconds.1))
    }

    // MARK: Record files

    private func skips(_ grant: Grant, _ chunk: Int) -> [Int] {
        let own = scenario.samples(of: chunk, shard: grant.unit.shard)
        return grant.isolation.flatMap(\.skip).filter(own.contains).sorted()
    }

    private func beginStoring(_ worker: WorkerProcess, _ chunk: Int, _ skipped: [Int]) throws {
        let grant = worker.work!.grant
        guard !store.isFull else {
            try end(worker, .stopped)
            return try endWorker(worker, why: "the record file cannot be stored")
        }
        var sources: [StoredRecord.Source] = []
        var payloads: [UInt64] = []
        for source in grant.sources where source.chunk == chunk {
            guard let record = captions(grant, source) else {
                throw Violation("record-files-stay", "\(grant.file(of: source)) is not there any more")
            }
            sources.append(
                StoredRecord.Source(chunk: chunk, epoch: record.epoch, digest: record.digest))
            payloads.append(record.payload)
        }
        let record = StoredRecord(
            unit: grant.unit, chunk: chunk, epoch: grant.epoch, sources: sources, skipped: skipped,
            payload: StoredRecord.payload(grant.unit, chunk, skipped: skipped, sources: payloads))
        if random.chance(0.3), canary != .commitBeforeRecord, isLastToMake(chunk, of: worker) {
            return try upload(worker, record)
        }
        enter(worker, .storing(record), random.time(0.005, 0.2))
        if canary == .commitBeforeRecord { try commit(worker, worker.work!.grant, record) }
    }

    private func isLastToMake(_ chunk: Int, of worker: WorkerProcess) -> Bool {
        let grant = worker.work!.grant
        return !(0..<scenario.chunks(ofShard: grant.unit.shard)).contains { $0 > chunk && grant.wants($0) }
    }

    /// The last chunk's record file goes its way, and the device is free for the next lease.
    private func upload(_ worker: WorkerProcess, _ record: StoredRecord) throws {
        let number = newProcess()
        let grant = worker.work!.grant
        worker.uploads[number] = WorkerProcess.Upload(grant: grant, record: record)
        events.insert(.uploaded(worker: worker.number, upload: number), due: now + random.time(0.05, 8))
        worker.work = nil
        worker.invented = 0
        try act(worker, worker.session.machine.computed(grant.epoch, now: worker.clock.local(now)))
        guard workers[worker.number] != nil else { return }
        try begin(worker)
    }

    func uploaded(_ number: Int, _ upload: Int) throws {
        guard let worker = workers[number], let done = worker.uploads[upload] else { return }
        guard now >= worker.frozenUntil else {
            return events.insert(.uploaded(worker: number, upload: upload), due: worker.frozenUntil)
        }
        worker.uploads[upload] = nil
        guard !store.isFull else { return try endWorker(worker, why: "the record file cannot be stored") }
        try store.put(done.record, done.grant.file(chunk: done.record.chunk))
        try observe(.stored(done.record))
        try observe(.advanced(done.grant.epoch))
        try commit(worker, done.grant, done.record)
        guard workers[number] != nil else { return }
        try act(
            worker,
            worker.session.machine.workEnded(done.grant.epoch, .complete, now: worker.clock.local(now)))
    }

    private func captions(_ grant: Grant, _ source: Grant.Source) -> StoredRecord? {
        guard canary == .textsOfNewestCaptions else { return store.records[grant.file(of: source)] }
        return store.records.values
            .filter {
                $0.unit.stage == grant.reads && $0.unit.shard == grant.unit.shard && $0.chunk == source.chunk
            }
            .max { $0.epoch < $1.epoch }
    }

    private func finishStoring(_ worker: WorkerProcess, _ record: StoredRecord) throws {
        try store.put(record, worker.work!.grant.file(chunk: record.chunk))
        try observe(.stored(record))
        worker.work!.chunk = record.chunk + 1
        if canary != .commitBeforeRecord { try commit(worker, worker.work!.grant, record) }
        guard workers[worker.number] != nil, worker.work != nil else { return }
        try proceed(worker)
    }

    private func commit(_ worker: WorkerProcess, _ grant: Grant, _ record: StoredRecord) throws {
        let result = scenario.result(of: record)
        try act(worker, worker.session.machine.chunkFinished(grant, result, now: worker.clock.local(now)))
    }

    private func end(_ worker: WorkerProcess, _ end: WorkerSession.WorkEnd) throws {
        guard let epoch = worker.work?.grant.epoch else { return }
        worker.work = nil
        worker.invented = 0
        try act(worker, worker.session.machine.workEnded(epoch, end, now: worker.clock.local(now)))
        guard workers[worker.number] != nil else { return }
        try begin(worker)
    }
}
