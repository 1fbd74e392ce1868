import BolsterOracles
import Foundation
import Testing

/// Kills real processes at random moments and compares what comes out in the end.
@Suite(.serialized, .enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct KillTests {
    enum Victim: String, CaseIterable {
        case worker, coordinator, everything
    }

    @Test("After a kill -9 at 20 random moments the merged dataset is the undisturbed one, byte for byte")
    func kills() throws {
        let folder = try ScratchFolder()
        let started = Date()
        let undisturbed = folder.path + "/undisturbed"
        try #require(try runDemo(undisturbed).status == 0)
        let duration = Date().timeIntervalSince(started)
        let expected = try dataset(undisturbed)
        #expect(expected.keys.count { $0.hasSuffix(".tar") } >= 4)
        let seed = UInt64.random(in: 0...UInt64.max)
        print("kill moments: seed \(seed), an undisturbed run takes \(duration) s")
        var random = SplitMix(state: seed)
        for round in 0..<20 {
            let victim = Victim.allCases[round % 3]
            let moment = Double.random(in: 0...duration, using: &random)
            let output = folder.path + "/round-\(round)"
            let commits = try killOnce(victim, after: moment, output: output, random: &random)
            let result = try runDemo(output)
            #expect(result.status == 0, "round \(round), \(victim) at \(moment) s: \(result.errors)")
            let merged = try dataset(output)
            #expect(
                merged == expected,
                "round \(round), \(victim) killed at \(moment) s, \(commits) record files: another dataset")
            try FileManager.default.removeItem(atPath: output)
        }
    }

    /// - Returns: how many record files there were when the kill came.
    private func killOnce(
        _ victim: Victim, after moment: Double, output: String, random: inout SplitMix
    ) throws -> Int {
        let logs = try ScratchFolder()
        let process = try Program.start(
            demo(output), output: logs.path + "/out", errors: logs.path + "/err")
        Thread.sleep(forTimeInterval: moment)
        let records = FileManager.default.enumerator(atPath: output + "/records")?.allObjects.count ?? 0
        let workers = Program.descendants(of: process.processIdentifier)
        switch victim {
        case .worker:
            if let worker = workers.randomElement(using: &random) { kill(worker, SIGKILL) }
            process.waitUntilExit()
            return records
        case .coordinator:
            kill(process.processIdentifier, SIGKILL)
        case .everything:
            for process in [process.processIdentifier] + workers { kill(process, SIGKILL) }
        }
        process.waitUntilExit()
        return records
    }

    private func demo(_ output: String) -> [String] {
        ["run", Program.demoManifest, "--workers", "2", "--output", output]
    }

    private func runDemo(_ output: String) throws -> Program.Result {
        try Program.run(demo(output))
    }

    /// Every file of the dataset by its name.
    private func dataset(_ output: String) throws -> [String: Data] {
        let folder = output + "/dataset"
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            files[name] = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
        }
        return files
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a seed on one line repeats a run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
