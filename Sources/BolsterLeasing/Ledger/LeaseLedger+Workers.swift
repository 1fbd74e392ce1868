extension LeaseLedger {
    package enum OnHello: Equatable {
        /// Journal (a former start's leases end), then welcome.
        case welcome([LedgerChange])
        case refuse(Refusal)
    }

    package enum OnHeartbeat: Equatable {
        /// Journal (leases that the worker never heard of end), then reply.
        case reply(revoked: [Epoch], drain: Bool, [LedgerChange])
        case refuse(Refusal)
    }

    package enum OnAnnouncement: Equatable {
        /// The worker may try the sample. Nothing is journalled: what counts is a death that follows.
        case proceed
        /// The lease is gone; the next heartbeat's answer says so.
        case ignore
        case refuse(Refusal)
    }

    /// A worker greets: at its start, after a reconnection, or because this coordinator does not know it.
    package mutating func helloReceived(_ hello: Hello, from sender: Sender, now: Duration) -> OnHello {
        guard !sender.worker.name.isEmpty else {
            return .refuse(Refusal(.malformed, "a worker needs a name"))
        }
        guard var record = workers[sender.worker] else {
            guard workers.count < Self.workersMax else {
                return .refuse(Refusal(.crowded, "this coordinator keeps at most \(Self.workersMax) workers"))
            }
            var record = WorkerRecord(incarnation: sender.incarnation, key: sender.key, lastHeard: now)
            record.greet(hello)
            workers[sender.worker] = record
            return .welcome([])
        }
        let isSilent = record.hello == nil || now - record.lastHeard > plan.limits.expires
        if record.key != sender.key, !(isSilent && record.leases.isEmpty) {
            return .refuse(
                Refusal(
                    .nameTaken,
                    "another key works as \(sender.worker): give this worker another name or stop the other"))
        }
        if sender.incarnation < record.incarnation, !isSilent {
            return .refuse(
                Refusal(.replaced, "a newer start of \(sender.worker) is connected: this one should end"))
        }
        var changes: [LedgerChange] = []
        if sender.incarnation != record.incarnation {
            for epoch in record.leases { changes += lose(epoch, now: now) }
            record = WorkerRecord(incarnation: sender.incarnation, key: sender.key, lastHeard: now)
        }
        record.key = sender.key
        record.greet(hello)
        record.lastHeard = now
        workers[sender.worker] = record
        return .welcome(changes)
    }

    /// A worker reports what it holds and how far each lease is.
    ///
    /// A lease of an earlier generation that a worker of this one does not report is one whose Grant was
    /// lost with the earlier coordinator: no such Grant can arrive any more, so the lease ends at once.
    ///
    /// - Parameter following: the generation that the worker follows, as its frame says.
    package mutating func heartbeatReceived(
        _ heartbeat: Heartbeat, from sender: Sender, following: UInt64, now: Duration
    ) -> OnHeartbeat {
        if let refusal = check(sender, now: now) { return .refuse(refusal) }
        workers[sender.worker]!.samplesPerSecond = heartbeat.samplesPerSecond
        workers[sender.worker]!.waits = heartbeat.waits
        var revoked: [Epoch] = []
        // Working leases first: those queued behind them live by their progress.
        for report in heartbeat.leases where report.phase != .queued { extend(report, sender, now, &revoked) }
        for report in heartbeat.leases where report.phase == .queued { extend(report, sender, now, &revoked) }
        var changes: [LedgerChange] = []
        if following == generation {
            let reported = heartbeat.leases.map(\.epoch)
            for epoch in workers[sender.worker]!.leases
            where epoch.generation < generation && !reported.contains(epoch) {
                changes += giveBack(epoch)
            }
        }
        return .reply(revoked: revoked, drain: isDraining, changes)
    }

    /// In isolation, a worker says which sample it tries next.
    package mutating func announcementReceived(
        _ announcement: Announcement, from sender: Sender, now: Duration
    ) -> OnAnnouncement {
        if let refusal = check(sender, now: now) { return .refuse(refusal) }
        guard var lease = leases[announcement.epoch], lease.record.worker == sender.worker else {
            return .ignore
        }
        // A rehearsed sample is progress, though no sample is done, and shows that loading is over. Samples
        // are rehearsed in order: a lower one is an old message that came late, and testifies to nothing.
        if announcement.sample > lease.announced ?? -1 {
            lease.advanced = now
            lease.isLoading = false
            lease.announced = announcement.sample
        }
        leases[announcement.epoch] = lease
        return .proceed
    }

    /// Leases whose time is over, units whose backoff is, and workers long gone.
    package mutating func ticked(now: Duration) -> [LedgerChange] {
        var changes: [LedgerChange] = []
        while let due = deadlines.take(now: now) {
            switch due {
            case .lease(let epoch):
                guard let lease = leases[epoch] else { continue }
                if lease.deadline > now {
                    deadlines.insert(due, due: lease.deadline)
                } else {
                    changes += lose(epoch, now: now)
                }
            case .rest(let unit):
                if states[unit] == .resting { makeReady(unit) }
            }
        }
        if now - lastForgetting > .seconds(60) {
            lastForgetting = now
            workers = workers.filter { !$1.leases.isEmpty || now - $1.lastHeard <= Self.forgottenAfter }
            let hosts = Set(workers.values.compactMap { $0.hello?.host })
            nodes = nodes.filter { hosts.contains($0.key) }
        }
        return changes
    }

    /// Nil if `sender` is a worker that has greeted this coordinator; notes that it was heard.
    mutating func check(_ sender: Sender, now: Duration) -> Refusal? {
        guard let record = workers[sender.worker], record.hello != nil, record.key == sender.key else {
            return Refusal(.unknownWorker, "say Hello first")
        }
        if sender.incarnation < record.incarnation {
            return Refusal(.replaced, "a newer start of \(sender.worker) is connected: this one should end")
        }
        guard sender.incarnation == record.incarnation else {
            return Refusal(.unknownWorker, "say Hello first")
        }
        workers[sender.worker]!.lastHeard = now
        return nil
    }

    /// A report extends its lease only while samples advance within the stage's progress time, or the
    /// worker loads within the loading time: a hung device loses its lease though its process reports.
    private mutating func extend(
        _ report: LeaseReport, _ sender: Sender, _ now: Duration, _ revoked: inout [Epoch]
    ) {
        guard var lease = leases[report.epoch], lease.record.worker == sender.worker else {
            revoked.append(report.epoch)
            return
        }
        if report.samplesDone > lease.samplesDone {
            lease.samplesDone = report.samplesDone
            lease.advanced = now
            workers[sender.worker]!.advanced = now
        }
        lease.chunk = max(lease.chunk, report.chunk)
        lease.isLoading = report.phase == .loading
        let mayLive: Bool
        switch report.phase {
        case .working:
            mayLive = now - lease.advanced <= plan.limits.progress
        case .loading:
            let since = lease.loadingSince ?? now
            // The time to progress starts anew once loading has ended.
            if lease.loadingSince == nil { lease.loadingSince = now }
            mayLive = now - since <= plan.limits.loading
            if mayLive, lease.samplesDone == 0 { lease.advanced = now }
        case .queued:
            let advanced = max(lease.advanced, workers[sender.worker]!.advanced)
            mayLive = now - advanced <= plan.limits.progress
            if mayLive, lease.samplesDone == 0 { lease.advanced = advanced }
        }
        if mayLive { lease.deadline = now + plan.limits.expires }
        leases[report.epoch] = lease
    }
}

extension LeaseLedger.WorkerRecord {
    mutating func greet(_ hello: Hello) {
        self.hello = hello
        labels = Set(hello.labels + [hello.device, DeviceStatus.type(of: hello.device), hello.host])
    }
}
