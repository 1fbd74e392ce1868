import BolsterLeasing

/// Devices that answered a probe wrongly since this coordinator's start, until they prove right again.
struct RefusedDevices {
    private struct Entered {
        var device: RefusedDevice
        /// The start of the worker whose probe was wrong.
        let incarnation: UInt64
        let at: Duration
    }

    private var devices: [Entered] = []

    /// The worker has said so of its own device.
    mutating func append(_ sender: LeaseLedger.Sender, _ hello: Hello?, _ fail: Fail, now: Duration) {
        devices.removeAll { $0.device.worker == sender.worker && $0.device.stage == fail.unit.stage }
        let device = RefusedDevice(
            worker: sender.worker, host: hello?.host ?? "", device: hello?.device ?? "",
            stage: fail.unit.stage, message: fail.message, ago: .zero)
        devices.append(Entered(device: device, incarnation: sender.incarnation, at: now))
        if devices.count > StatusReply.refusedDevicesMax { devices.removeFirst() }
    }

    /// A chunk of the stage counts: where a later start of the worker made it, the probe was right again.
    mutating func committed(_ sender: LeaseLedger.Sender, stage: String) {
        guard !devices.isEmpty else { return }
        devices.removeAll {
            $0.device.worker == sender.worker && $0.device.stage == stage
                && $0.incarnation != sender.incarnation
        }
    }

    /// The latest first.
    func list(now: Duration) -> [RefusedDevice] {
        devices.reversed().map { entered in
            var device = entered.device
            device.ago = now - entered.at
            return device
        }
    }
}
