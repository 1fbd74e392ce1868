import Foundation

/// What a process of ours has used, by the kernel's account (proc(5)).
struct ProcessUse {
    /// Seconds of CPU, user and system.
    let seconds: Double
    /// Resident memory at its highest, MiB.
    let peak: Double

    init(_ process: Int32) throws {
        let fields =
            try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            .split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = [11, 12].reduce(0.0) { $0 + (fields.count > $1 ? Double(fields[$1]) ?? 0 : 0) }
        seconds = ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        peak = Double(line?.split(separator: " ").dropFirst().first ?? "0").map { $0 / 1_024 } ?? 0
    }
}

/// What one durable write costs on the disk of a folder: 4 KiB appended and synchronised, as a small
/// transaction of the ledger does.
func synchronisations(in folder: String, count: Int = 200) throws -> [Double] {
    let path = "\(folder)/synchronised"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteNoPermission) }
    defer {
        close(descriptor)
        unlink(path)
    }
    let block = [UInt8](repeating: 7, count: 4_096)
    return (0..<count).map { _ in
        let begun = ContinuousClock.now
        _ = write(descriptor, block, block.count)
        fdatasync(descriptor)
        return (ContinuousClock.now - begun) / .milliseconds(1)
    }
}

/// A child that takes orders and answers a line at a time.
final class Child {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var pending = Data()

    init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    var number: Int32 { process.processIdentifier }

    func order(_ line: String) { input.fileHandleForWriting.write(Data("\(line)\n".utf8)) }

    /// The next line, in words.
    func answer() throws -> [Substring] {
        while !pending.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw CocoaError(.fileReadUnknown) }
            pending += more
        }
        let line = pending.prefix { $0 != UInt8(ascii: "\n") }
        pending = Data(pending.dropFirst(line.count + 1))
        return Substring(decoding: line, as: UTF8.self).split(separator: " ")
    }

    /// Ends its input and waits for its end.
    func close() {
        input.fileHandleForWriting.closeFile()
        process.waitUntilExit()
    }
}
