import BolsterOracles
import Foundation
import Testing

/// What an operator sees of a small finished run: in a pipe, on a terminal, as JSON, and in a shell.
@Suite(.enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct OperationsTests {
    private static let escape = "\u{1B}"

    /// Runs a line of bash with the command's folder first on the path.
    private func bash(_ line: String) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", line]
        var environment = ProcessInfo.processInfo.environment
        let folder = (Program.path! as NSString).deletingLastPathComponent
        environment["PATH"] = folder + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
        environment["NO_COLOR"] = nil
        environment["TERM"] = "xterm"
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    @Test("Status fits 80 columns, is coloured on a terminal alone, and heeds NO_COLOR") func status() throws
    {
        let small = try SmallRun()
        let run = try small.run(["--no-merge", "--log-format", "json", "--price", "cpu=0.05"])
        try #require(run.status == 0, "\(run.errors)")
        #expect(!run.errors.contains(Self.escape))
        let state = small.output + "/state"

        let piped = try Program.run(["status", "--state", state, "--price", "cpu=0.05"])
        #expect(piped.status == 0)
        #expect(piped.output.hasPrefix("small  finished  100 %"))
        #expect(!piped.output.contains(Self.escape))
        #expect(piped.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
        #expect(piped.output.contains("cpu-hours (cost "))

        let asked = "script -qec 'stty cols 80 rows 24; bolster status --state \(state)' /dev/null"
        #expect(try bash(asked).output.contains(Self.escape + "[32m"))
        #expect(try !bash("NO_COLOR=1 " + asked).output.contains(Self.escape))
        #expect(try !bash("TERM=dumb " + asked).output.contains(Self.escape))

        let watched = try Program.run(["status", "--state", state, "--watch", "--json"])
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(watched.output.utf8)) as? [String: Any])
        let status = try #require(json["status"] as? [String: Any])
        #expect(status["state"] as? String == "finished")
        #expect(status["fraction"] as? Double == 1)
        #expect((status["uses"] as? [[String: Any]])?.count == 2)
        #expect(status["cost"] is NSNull)
    }

    @Test("JSON logs are an object in each line, of the workers too") func logs() throws {
        let small = try SmallRun()
        let run = try small.run(["--no-merge", "--log-format", "json", "--log-level", "debug"])
        try #require(run.status == 0, "\(run.errors)")
        let worker = try String(contentsOfFile: small.output + "/logs/worker-0.log", encoding: .utf8)
        let lines = worker.split(separator: "\n")
        #expect(lines.count > 2)
        for line in lines {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
            let members = try #require(object, "\(line)")
            #expect(["time", "level", "label", "message"].allSatisfy { members[$0]?.isEmpty == false })
        }
    }

    @Test("Bash completes verbs and options") func completions() throws {
        func complete(_ words: String...) throws -> [Substring] {
            let list = words.map { "'\($0)'" }.joined(separator: " ")
            let line = """
                . <(bolster --generate-completion-script bash)
                COMP_WORDS=(bolster \(list)); COMP_CWORD=\(words.count)
                COMP_LINE="bolster \(words.joined(separator: " "))"; COMP_POINT=${#COMP_LINE}
                $(complete -p bolster | sed 's/.*-F \\([^ ]*\\).*/\\1/') bolster '\(words.last ?? "")' x
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            let outcome = try bash(line)
            return outcome.output.split(whereSeparator: \.isWhitespace)
        }
        #expect(try complete("st").contains("status"))
        #expect(try complete("status", "--wat").contains("--watch"))
        #expect(try complete("run", "--status-p").contains("--status-page"))
    }

    @Test(
        "Wrong usage says what is wrong and ends with 64",
        arguments: [
            ["run", "x.yaml", "--status-page", "0.0.0.0:8080"], ["run", "x.yaml", "--status-page", "here"],
            ["run", "x.yaml", "--price", "cuda:0=1"], ["run", "x.yaml", "--status-token-file", "t"],
            ["status", "--state", "s", "--every", "0"], ["status"], ["plan", "x.yaml", "--price", "cpu=1"],
            ["plan", "x.yaml", "--probe", "0"], ["report", "x.yaml"],
            ["run", "x.yaml", "--log-format", "xml"],
        ]) func wrongUsage(arguments: [String]) throws
    {
        let result = try Program.run(arguments)
        #expect(result.status == 64)
        #expect(result.errors.contains("Error:"))
    }

    @Test("A report of what is no dataset says so") func noDataset() throws {
        let folder = try ScratchFolder()
        let result = try Program.run(
            ["report", folder.path + "/nothing", "--out", folder.path + "/report.html"])
        #expect(result.status == 1)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/report.html"))
    }
}
