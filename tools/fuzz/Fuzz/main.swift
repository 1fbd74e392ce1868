import BolsterTestKit
import CFuzzer
import Foundation

// libFuzzer on what comes from outside. Built and run by tools/fuzz/messages.sh; a broken check traps, which
// libFuzzer reports with the input that did it.
//
//     bolster-fuzz examples DIR                                  writes frames for libFuzzer to begin with
//     bolster-fuzz frames|journal [libFuzzer's arguments]

/// What is tried on each input; set once, before libFuzzer begins, on its only thread.
nonisolated(unsafe) var check: ([UInt8]) -> Void = { _ in }

/// Under the name that libFuzzer's own main, which is linked and not run, asks for.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    check([UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

var arguments = CommandLine.arguments
switch arguments.dropFirst().first {
case "examples" where arguments.count == 3:
    for (number, frame) in FrameCheck.examples.enumerated() {
        try Data(frame).write(to: URL(fileURLWithPath: "\(arguments[2])/example-\(number)"))
    }
    exit(0)
case "frames":
    check = { precondition(FrameCheck.holds($0), "what was decoded is not what was said") }
case "journal":
    let ledger = JournalCheck(folder: NSTemporaryDirectory() + "bolster-fuzz-\(getpid())")
    check = { _ = ledger.opens(damagedBy: $0) }
default:
    print("usage: bolster-fuzz examples DIR, or frames|journal [libFuzzer's arguments]")
    exit(64)
}
arguments.remove(at: 1)
var count = Int32(arguments.count)
var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
exit(
    pointers.withUnsafeMutableBufferPointer { buffer in
        var arguments = buffer.baseAddress
        return LLVMFuzzerRunDriver(&count, &arguments, fuzz)
    })
