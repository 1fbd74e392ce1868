import BolsterLeasing

/// For how long devices worked, by stage and type, and for how long workers held them at all. Decides
/// nothing; it is what a run's cost is told from.
struct DeviceMeter {
    private struct Key: Hashable {
        let stage: String
        let device: String
    }

    /// Stands for no stage: the time that workers held devices, idle or not.
    static let heldStage = ""

    private var times: [Key: DeviceUse] = [:]
    /// What the journal has not been given yet; as many as `times` at most.
    private var fresh: [Key: DeviceUse] = [:]
    private var lastTick: Duration?

    /// What an earlier start has measured.
    mutating func restored(_ uses: [DeviceUse]) {
        for use in uses { times[Key(stage: use.stage, device: use.device)] = use }
    }

    mutating func committed(stage: String, device: String, samples: Int, time: Duration) {
        add(DeviceUse(stage: stage, device: device, samples: samples, time: time))
    }

    /// - Parameter connected: workers heard of lately, by type of device.
    mutating func ticked(connected: [String: Int], now: Duration) {
        defer { lastTick = now }
        guard let lastTick, now > lastTick else { return }
        for (device, count) in connected {
            add(DeviceUse(stage: Self.heldStage, device: device, samples: 0, time: (now - lastTick) * count))
        }
    }

    /// What is new since the last call, for the journal to add.
    mutating func takeFresh() -> [DeviceUse] {
        defer { fresh = [:] }
        return Array(fresh.values)
    }

    /// By stage in the given order, then by type of device.
    func uses(stages: [String]) -> [DeviceUse] {
        stages.flatMap { stage in
            times.values.filter { $0.stage == stage }.sorted { $0.device < $1.device }
        }
    }

    /// - Parameter connected: also types that have not been held for long enough to count.
    func devices(connected: [String: Int]) -> [DeviceStatus] {
        let held = times.values.filter { $0.stage == Self.heldStage }
        return Set(held.map(\.device)).union(connected.keys).sorted().map { device in
            DeviceStatus(
                device: device, connected: connected[device] ?? 0,
                held: held.first { $0.device == device }?.time ?? .zero)
        }
    }

    private mutating func add(_ use: DeviceUse) {
        let key = Key(stage: use.stage, device: use.device)
        for path in [\DeviceMeter.times, \DeviceMeter.fresh] {
            var sum =
                self[keyPath: path][key]
                ?? DeviceUse(stage: use.stage, device: use.device, samples: 0, time: .zero)
            sum.samples += use.samples
            sum.time += use.time
            self[keyPath: path][key] = sum
        }
    }
}
