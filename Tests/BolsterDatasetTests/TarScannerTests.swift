import Testing

@testable import BolsterDataset

/// The members that a scanner finds, and the error that ends it.
private struct Scan: Equatable {
    var names: [String] = []
    var contents: [[UInt8]] = []
    var error: DatasetError.Code?

    init(_ archive: [UInt8]) {
        var scanner = TarScanner(shard: "s")
        do throws(DatasetError) {
            while true {
                switch scanner.next() {
                case .needs(let offset, let count):
                    let start = min(Int(offset), archive.count)
                    let part = Array(archive[start..<min(start + count, archive.count)])
                    let outcome = part.withUnsafeBytes { bytes in
                        Result { () throws(DatasetError) in try scanner.take(bytes) }
                    }
                    try outcome.get()
                case .member(let member):
                    names.append(member.name.full)
                    guard member.content.upperBound <= archive.count else { continue }
                    contents.append(
                        Array(archive[Int(member.content.lowerBound)..<Int(member.content.upperBound)]))
                case .end: return
                }
            }
        } catch {
            self.error = error.code
        }
    }
}

@Suite struct TarScannerTests {
    private let archive =
        tarMember("a.jpg", String(repeating: "1", count: 700)) + tarMember("a.txt", "A")
        + tarMember("L", "long/name.txt\0", type: "L") + tarMember("x", "1")
        + tarMember("p", "17 path=b/ü.txt\n", type: "x") + tarMember("x", "2")
        + tarMember("folder/", "", type: "5") + tarMember("z.json", "{}") + tarEnd

    @Test("Members are found with their names and places, extended headers counted to them")
    func places() {
        let scan = Scan(archive)
        #expect(scan.error == nil)
        #expect(scan.names == ["a.jpg", "a.txt", "long/name.txt", "b/ü.txt", "z.json"])
        #expect(scan.contents.map(\.count) == [700, 1, 1, 1, 2])
    }

    @Test("A tar without its end, and one cut inside a header, are truncated")
    func truncated() {
        #expect(Scan(Array(archive.dropLast(1024))).error == .truncatedShard)
        #expect(Scan(Array(archive.prefix(1900))).error == .truncatedShard)
        #expect(Scan([]).error == .truncatedShard)
    }

    @Test("Mutated tars: the sample reader's files, or its error")
    func agreesWithReader() {
        let words = [
            tarHeader("a.txt"), tarHeader("p", size: 9, type: "x"), padded(Array("9 size=1\n".utf8)), tarEnd,
            tarHeader("c.txt", size: 1 << 32), tarHeader("d.jpg", type: "1"), tarHeader("../x.txt"),
        ]
        var compared = 0
        for input in FuzzedInputs("tar", of: archive, words: words, rounds: 400, salt: 7) {
            let bytes = input.bytes
            let reading = Reading(bytes)
            let scan = Scan(bytes)
            switch reading.error?.code {
            case nil:
                #expect(scan.error == nil, "\(input.name)")
                let members = reading.samples.flatMap(\.members)
                #expect(scan.names == members.map(\.name), "\(input.name)")
                #expect(scan.contents == members.map(\.bytes), "\(input.name)")
                compared += 1
            case .unsafeName, .unsupportedMember: #expect(scan.error == reading.error?.code, "\(input.name)")
            default: break
            }
        }
        #expect(compared > 20)
    }
}
