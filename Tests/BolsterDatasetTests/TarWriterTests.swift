import Testing

@testable import BolsterDataset

@Suite("Writing tars")
struct TarWriterTests {
    static func archive(_ files: [(String, [UInt8])]) -> [UInt8] {
        var writer = TarWriter()
        var output: [UInt8] = []
        for (name, bytes) in files { writer.append(name: name, bytes: bytes, to: &output) }
        writer.finish(to: &output)
        return output
    }

    @Test("What is written is read back", arguments: [1, 99, 100, 101, 155, 156, 157, 256, 257, 1000])
    func roundTrip(nameLength: Int) {
        let folder = nameLength > 20 ? String(repeating: "f", count: nameLength / 2) + "/" : ""
        let name = folder + String(repeating: "n", count: nameLength - folder.utf8.count) + ".txt"
        let reading = Reading(Self.archive([(name, [1, 2, 3]), ("next.txt", [])]))
        #expect(reading.error == nil)
        #expect(reading.samples.map { $0.members[0].name } == [name, "next.txt"])
        #expect(reading.samples[0].members[0].bytes == [1, 2, 3])
    }

    @Test("A short name takes one header of ustar, and the archive fills a record of 10,240 bytes")
    func layout() {
        let bytes = Self.archive([("a.txt", [65])])
        #expect(bytes.count == 10240)
        #expect(bytes[..<512].elementsEqual(goldenHeader))
        #expect(bytes[512] == 65 && bytes[513...].allSatisfy { $0 == 0 })
    }

    /// What Python's tarfile makes of TarInfo("a.txt") with size 1 in USTAR_FORMAT.
    private var goldenHeader: [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        for (offset, text) in [
            (0, "a.txt"), (100, "0000644"), (108, "0000000"), (116, "0000000"), (124, "00000000001"),
            (136, "00000000000"), (148, "006715"), (155, " "), (156, "0"), (257, "ustar"), (263, "00"),
        ] {
            block.replaceSubrange(offset..<(offset + text.utf8.count), with: text.utf8)
        }
        return block
    }

    @Test("Bytes given out are counted")
    func count() {
        var writer = TarWriter()
        var output: [UInt8] = [9, 9]
        writer.append(name: "a.txt", bytes: [1], to: &output)
        #expect(writer.bytesWritten == 1024 && output.count == 1026)
        writer.finish(to: &output)
        #expect(writer.bytesWritten == 10240)
    }
}
