import BolsterTestKit
import Foundation
import Testing

/// What tools/fuzz/messages.sh found once, and some damage of each kind.
@Suite("Fuzzed frames and journals") struct FuzzFindsTests {
    private func finds(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../tools/fuzz/finds/\(target)")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).map {
            ($0.lastPathComponent, try [UInt8](Data(contentsOf: $0)))
        }
    }

    @Test("Every frame that was found is refused, or means the same when it is written again") func frames()
        throws
    {
        for find in try finds("frames") { #expect(FrameCheck.holds(find.bytes), "\(find.name)") }
        for example in FrameCheck.examples {
            #expect(FrameCheck.holds(example))
            for cut in example.indices { #expect(FrameCheck.holds(Array(example[..<cut]))) }
        }
    }

    @Test("Every damage that was found to a ledger is refused with a message, or does no harm") func journal()
        throws
    {
        let check = JournalCheck(
            folder: FileManager.default.temporaryDirectory.path + "/bolster-journal-\(UUID().uuidString)")
        #expect(check.opens(damagedBy: []))
        for find in try finds("journal") { _ = check.opens(damagedBy: find.bytes) }
        // The first bytes say that it is a database at all.
        #expect(!check.opens(damagedBy: [0, 1, 0xFF]))
        let opened = (0..<300).count { check.opens(damagedBy: [UInt8($0 / 256), UInt8($0 % 256), 0xA5]) }
        #expect((1..<300).contains(opened))
    }
}
