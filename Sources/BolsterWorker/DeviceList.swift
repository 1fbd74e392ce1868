import BolsterInference

/// The `--devices` of a worker: `cpu`, `cuda:3`, `cuda:0-7`, or several with commas between.
package enum DeviceList {
    /// - Throws: InferenceError or WorkerError, with the part that is none.
    package static func parse(_ text: String) throws -> [Device] {
        var devices: [Device] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = part.hasPrefix("cuda:") ? part.dropFirst(5).split(separator: "-") : []
            if bounds.count == 2, let first = Int(bounds[0]), let last = Int(bounds[1]) {
                guard first <= last, last < 1024 else {
                    throw WorkerError(
                        .wrongDevice, "\"\(part)\" is no range of devices: write cuda:FIRST-LAST")
                }
                for ordinal in first...last { devices.append(.cuda(ordinal)) }
            } else {
                devices.append(try Device(parsing: String(part)))
            }
        }
        for (index, device) in devices.enumerated() where devices[..<index].contains(device) && device != .cpu
        {
            throw WorkerError(.wrongDevice, "\(device) stands there twice: one process drives a device")
        }
        return devices
    }
}
