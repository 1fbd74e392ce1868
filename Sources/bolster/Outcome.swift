import ArgumentParser
import Foundation

/// How a verb ended, as a script sees it.
enum Outcome: Int32 {
    case done = 0
    case failed = 1
    /// Units are quarantined, samples are missing, or a check found faults.
    case faulty = 2
    /// Stopped before the end; the same command goes on from there.
    case interrupted = 3
    /// The coordinator refused this worker.
    case refused = 4

    /// Ends the command with this code; returns for `done`.
    func exitUnlessDone() throws {
        if self != .done { throw ExitCode(rawValue) }
    }
}

/// Lines for a person, apart from the results on standard output.
enum Terminal {
    static func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    static func error(_ error: any Error) {
        note("bolster: error: \(error)")
    }

    static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }
}

/// Runs a verb's work: what it throws becomes one clear message and exit code 1.
func reporting(_ work: () throws -> Outcome) throws {
    let outcome: Outcome
    do {
        outcome = try work()
    } catch let code as ExitCode {
        throw code
    } catch let error as ValidationError {
        throw error
    } catch {
        Terminal.error(error)
        throw ExitCode(Outcome.failed.rawValue)
    }
    try outcome.exitUnlessDone()
}
