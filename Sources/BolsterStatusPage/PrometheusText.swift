import BolsterLeasing

/// `/metrics` in Prometheus' text format, version 0.0.4. Metrics.md lists what each one means.
struct PrometheusText {
    private enum Kind: String { case gauge, counter }
    private typealias Sample = (labels: [(String, String)], value: Double)

    private(set) var text = ""

    init(_ status: StatusReply, prices: DevicePrices, version: String) {
        let estimate = RunEstimate(status)
        add("build_info", .gauge, "The program's version.", [([("version", version)], 1)])
        add(
            "run_info", .gauge, "The run's name and state.",
            [([("run", status.run), ("state", status.state.word)], 1)])
        addStages(status, estimate)
        addRun(status, estimate)
        addWorkers(status)
        addDevices(status, prices)
        addRefusals(status)
    }

    private mutating func addStages(_ status: StatusReply, _ estimate: RunEstimate) {
        let stages = status.stages
        func each(_ value: (StageStatus) -> Double) -> [Sample] {
            stages.map { ([("stage", $0.stage)], value($0)) }
        }
        add(
            "units", .gauge, "Units of a stage by their state.",
            stages.flatMap { stage -> [Sample] in
                let left = stage.units - stage.settled - stage.open
                let states = [
                    ("waiting", left), ("open", stage.open), ("done", stage.done),
                    ("quarantined", stage.quarantined), ("blocked", stage.blocked),
                ]
                return states.map { ([("stage", stage.stage), ("state", $0.0)], Double($0.1)) }
            })
        // Gauges, not counters: invalidating what a broken device made takes samples back.
        add("samples_committed", .gauge, "Samples committed.", each { Double($0.samples) })
        add("samples_skipped", .gauge, "Samples skipped with a reason.", each { Double($0.skipped) })
        add("chunks_committed", .gauge, "Chunks committed.", each { Double($0.chunks) })
        add(
            "samples_left", .gauge, "Samples still to be committed, estimated.",
            stages.compactMap { stage in
                stage.samplesLeft.map { ([("stage", stage.stage)], Double($0)) }
            })
        add(
            "samples_per_second", .gauge, "Samples committed a second over the last half minute or more.",
            each(\.samplesPerSecond))
        add(
            "stage_remaining_seconds", .gauge, "Time until a stage is done at its rate of now.",
            estimate.stages.compactMap { stage in
                stage.remaining.map { ([("stage", stage.stage)], $0.seconds) }
            })
    }

    private mutating func addRun(_ status: StatusReply, _ estimate: RunEstimate) {
        add(
            "run_progress_ratio", .gauge, "How much of the run is done, from 0 to 1.",
            [([], estimate.fraction)])
        if let remaining = estimate.remaining {
            add(
                "run_remaining_seconds", .gauge, "Time until the run is done, estimated from device time.",
                [([], remaining.seconds)])
        }
        add("uptime_seconds", .gauge, "Since this coordinator's start.", [([], status.running.seconds)])
        add(
            "last_commit_age_seconds", .gauge, "Since a chunk was last committed.",
            [([], status.silent.seconds)])
        add(
            "stalled", .gauge, "1 when nothing was committed for longer than any chunk should take.",
            [([], status.isStalled ? 1 : 0)])
        add(
            "units_failing", .gauge, "Units that failed and are tried again.",
            [([], Double(status.failing.count))])
    }

    private mutating func addWorkers(_ status: StatusReply) {
        let summary = StatusDocument.Workers(status)
        add("workers", .gauge, "Workers known to the coordinator.", [([], Double(summary.connected))])
        add("workers_working", .gauge, "Workers that hold a lease.", [([], Double(summary.working))])
        add("workers_silent", .gauge, "Workers not heard for twenty seconds.", [([], Double(summary.silent))])
        add(
            "workers_held_up", .gauge, "Workers by the step that holds up their pipeline.",
            summary.bottlenecks.map { ([("step", $0.step)], Double($0.workers)) })
    }

    private mutating func addDevices(_ status: StatusReply, _ prices: DevicePrices) {
        add(
            "devices_connected", .gauge, "Devices at work or waiting, by type.",
            status.devices.map { ([("device", $0.device)], Double($0.connected)) })
        add(
            "device_seconds_total", .counter, "Device time of committed chunks.",
            status.uses.map { ([("stage", $0.stage), ("device", $0.device)], $0.time.seconds) })
        add(
            "device_held_seconds_total", .counter, "Device time that workers held, idle or not.",
            status.devices.map { ([("device", $0.device)], $0.held.seconds) })
        add(
            "cost_total", .counter, "What the held device time costs at the prices given.",
            status.devices.compactMap { device in
                prices.cost(of: device.device, device.held).map { ([("device", device.device)], $0) }
            })
    }

    private mutating func addRefusals(_ status: StatusReply) {
        // All kinds from the start, so that the first of a kind is an increase.
        add(
            "refused_total", .counter, "Connections, frames and what they asked for that were refused.",
            RefusalKind.allCases.map { ([("kind", $0.rawValue)], Double(status.refused[$0] ?? 0)) })
        add(
            "devices_refused", .gauge, "Devices whose probe was wrong, by worker and stage.",
            status.refusedDevices.map {
                ([("worker", $0.worker.name), ("device", $0.device), ("stage", $0.stage)], 1)
            })
    }

    /// A metric without samples is left out.
    private mutating func add(_ name: String, _ kind: Kind, _ meaning: String, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        text += "# HELP bolster_\(name) \(meaning)\n# TYPE bolster_\(name) \(kind.rawValue)\n"
        for sample in samples {
            let labels = sample.labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
            text += "bolster_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.number(sample.value))\n"
        }
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
