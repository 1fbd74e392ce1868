import Testing

@testable import BolsterDataset

@Suite("Samples from a tar")
struct TarSampleReaderTests {
    /// Three samples of different shapes, 1,000 bytes and an empty file among them.
    let shard =
        tarMember("0001.jpg", String(repeating: "x", count: 1000)) + tarMember("0001.txt", "one")
        + tarMember("./dir.d/0002.url.TXT", "u") + tarHeader("dir.d/0002.json", size: 0)
        + tarMember("dir.d", "", type: "5") + tarMember("0003.txt", String(repeating: "z", count: 512))
        + tarEnd

    @Test("Members are grouped by the name up to the first dot of the base name")
    func grouping() {
        let reading = Reading(shard)
        #expect(reading.error == nil)
        #expect(reading.keys == ["0001", "dir.d/0002", "0003"])
        #expect(reading.samples.map(\.index) == [0, 1, 2])
        #expect(
            reading.samples.map { $0.members.map(\.extension) } == [
                ["jpg", "txt"], ["url.txt", "json"], ["txt"],
            ])
        #expect(reading.samples[1].members.map(\.name) == ["dir.d/0002.url.TXT", "dir.d/0002.json"])
        #expect(reading.samples[1].members[1].bytes.isEmpty)
        #expect(reading.text[0][1] == "one" && reading.text[2][0].utf8.count == 512)
    }

    @Test("A sample's range goes from its first header to the padded end of its last member")
    func ranges() {
        let samples = Reading(shard).samples
        let starts: [Int64] = [0, 2560, 4608]
        let ends: [Int64] = [2560, 4096, 5632]
        #expect(samples.map(\.start) == starts)
        #expect(samples.map(\.end) == ends)
    }

    @Test("Pieces of any size give the same samples", arguments: [1, 2, 511, 512, 513, 1000])
    func pieces(size: Int) {
        #expect(Reading(shard, piece: size) == Reading(shard))
    }

    @Test("Going on at a sample's start or at the end of the one before gives the same samples")
    func resuming() {
        let all = Reading(shard).samples
        for index in all.indices {
            let places = [all[index].start] + (index > 0 ? [all[index - 1].end] : [])
            for place in places {
                let rest = Reading(shard, firstSample: index, startOffset: Int(place))
                #expect(rest.samples == Array(all[index...]))
                #expect(rest.error == nil)
            }
        }
        #expect(Reading(shard, firstSample: 3, startOffset: Int(all[2].end)).samples.isEmpty)
    }

    @Test("Every truncation before the archive's end is an error, behind the whole samples before it")
    func truncations() throws {
        let samples = Reading(shard).samples
        let archiveEnd = shard.count - 1024 + 512
        for length in stride(from: 0, to: archiveEnd, by: 37) {
            let reading = Reading(Array(shard[..<length]))
            let error = try #require(reading.error, "\(length) bytes pass as a whole shard")
            #expect(error.code == .truncatedShard && error.offset == Int64(length))
            #expect(reading.samples == Array(samples.prefix(reading.samples.count)))
            // A sample is known to be whole when the next one's header is.
            #expect(
                reading.samples.count == samples.filter { Int($0.end) + 512 <= length }.count || length > 4000
            )
        }
        #expect(Reading(Array(shard[..<archiveEnd])).error == nil)
    }

    @Test("A truncation names the first sample that is lost")
    func truncationMessage() {
        let error = Reading(Array(shard[..<2000])).error
        #expect(
            error?.description
                == "00012, byte 2000: the shard ends without its archive's end: it is truncated; "
                + "'0001' is the first sample that is lost. Copy or write the shard again")
    }

    @Test("A flipped bit in a header is an error at that header, behind the samples before it")
    func damagedHeader() {
        let samples = Reading(shard).samples
        let header = Int(samples[1].start)
        for byte in stride(from: 0, to: 512, by: 3) {
            var damaged = shard
            damaged[header + byte] ^= 4
            let reading = Reading(damaged)
            #expect(reading.error?.code == .damagedShard, "byte \(byte)")
            #expect(reading.error?.offset == Int64(header))
            #expect(reading.samples.isEmpty, "the sample before is whole only when this header is read")
        }
        var damaged = shard
        damaged[Int(samples[2].start)] ^= 1
        #expect(Reading(damaged).keys == ["0001"])
    }

    @Test("The reader goes on throwing after an error")
    func stays() {
        var reader = TarSampleReader(shard: "s")
        reader.append([UInt8](repeating: 7, count: 512))
        for _ in 0..<2 { #expect(throws: DatasetError.self) { try reader.next() } }
        reader.append(tarEnd)
        reader.finish()
        #expect(throws: DatasetError.self) { try reader.next() }
    }

    @Test("Keys are told apart by their bytes, though two are written alike")
    func byteKeys() {
        let composed = "\u{E9}"
        let decomposed = "e\u{301}"
        let reading = Reading(
            tarMember(composed + ".txt", "1") + tarMember(decomposed + ".txt", "2") + tarEnd)
        #expect(reading.error == nil)
        #expect(reading.keys.map { Array($0.utf8) } == [Array(composed.utf8), Array(decomposed.utf8)])
    }

    @Test("A key that comes back is an error that names both places")
    func notAdjacent() {
        let reading = Reading(
            tarMember("a.jpg", "1") + tarMember("b.jpg", "2") + tarMember("a.txt", "3") + tarEnd)
        #expect(reading.keys == ["a", "b"])
        #expect(reading.error?.code == .duplicateKey && reading.error?.offset == 2048)
        #expect(
            reading.error?.description.contains("member 'a.txt': the key 'a' was already there at byte 0")
                == true)
    }

    @Test("A member that is there twice is an error that names both places")
    func duplicateMember() {
        let reading = Reading(tarMember("a.jpg", "1") + tarMember("a.JPG", "2") + tarEnd)
        #expect(reading.samples.isEmpty && reading.error?.code == .duplicateKey)
        #expect(reading.error?.offset == 1024)
        #expect(reading.error?.message.contains("already has 'a.jpg' at byte 0") == true)
    }

    @Test("Among more keys than are remembered, a recent repetition is still found")
    func forgetting() {
        let names = (0..<100).map { "k\($0).txt" }
        let limits = TarSampleReader.Limits(keysMax: 8)
        let far = names.flatMap { tarMember($0, "x") } + tarMember("k0.jpg", "x") + tarEnd
        #expect(Reading(far, limits: limits).samples.count == 101)
        let near = names.flatMap { tarMember($0, "x") } + tarMember("k97.jpg", "x") + tarEnd
        #expect(Reading(near, limits: limits).error?.code == .duplicateKey)
    }

    @Test("Links, sparse files and unknown types are refused, devices and pipes passed over")
    func kinds() {
        for (type, word) in [
            ("1", "--hard-dereference"), ("2", "a link"), ("S", "sparse"), ("Z", "type byte 90"),
            ("M", "--multi-volume"),
        ] {
            let reading = Reading(
                tarMember("a.txt", "1") + tarHeader("b.jpg", type: Character(type)) + tarEnd)
            #expect(reading.error?.code == .unsupportedMember && reading.error?.member == "b.jpg")
            #expect(reading.error?.message.contains(word) == true)
        }
        for type in "3456" {
            #expect(Reading(tarHeader("d.x", type: type) + tarMember("a.txt", "1") + tarEnd).keys == ["a"])
        }
        let pax = tarMember("p", "26 GNU.sparse.name=a.jpg\n", type: "x") + tarMember("GNUSparse/a.jpg", "1")
        #expect(Reading(pax + tarEnd).error?.code == .damagedShard)
        let sparse =
            tarMember("p", "25 GNU.sparse.name=a.jpg\n", type: "x") + tarMember("GNUSparse/a.jpg", "1")
        #expect(Reading(sparse + tarEnd).error?.code == .unsupportedMember)
    }

    @Test("Names without a key and webdataset's meta files are passed over")
    func noKeys() {
        let names = [
            "README", ".hidden", "dir/.x.jpg", "trailing.", "__meta__/1.txt", "folder.d/", "0001.txt",
        ]
        #expect(Reading(names.flatMap { tarMember($0, "x") } + tarEnd).keys == ["0001"])
    }

    @Test("Names that leave the folder, and names that are no UTF-8, are refused")
    func unsafe() {
        for name in ["../a.txt", "/etc/a.txt", "a/../../b.txt", ".//../a.txt"] {
            let reading = Reading(tarMember(name, "x") + tarEnd)
            #expect(reading.error?.code == .unsafeName && reading.error?.member == name)
        }
        #expect(Reading(tarMember("..a/b..c.txt", "x") + tarEnd).keys == ["..a/b"])
        var header = tarHeader("a?.txt")
        header[1] = 0xFF
        header.replaceSubrange(148..<156, with: repeatElement(32, count: 8))
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        header.replaceSubrange(
            148..<156, with: (String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8)
        #expect(Reading(header + tarEnd).error?.code == .unsafeName)
    }

    @Test("A sample begins at its extended header; GNU's and pax's long names and sizes are read")
    func longNames() {
        let long = String(repeating: "d/", count: 200) + "ü.jpg"
        let gnu = tarMember("././@LongLink", long + "\0", type: "L") + tarMember("cut.jpg", "1")
        let record = "\(10 + long.utf8.count) path=\(long)\n"
        #expect(record.utf8.count == 10 + long.utf8.count)
        let pax =
            tarMember("g", "18 comment=global\n", type: "g")
            + tarMember("p", record + "9 size=1\n", type: "x") + tarHeader("cut.jpg", size: 0) + padded([49])
        for (archive, start) in [(gnu, 0), (pax, 1024)] {
            let reading = Reading(tarMember("0.txt", "0") + archive + tarEnd)
            #expect(reading.error == nil)
            #expect(reading.keys == ["0", String(repeating: "d/", count: 200) + "ü"])
            #expect(reading.samples.last?.members.first?.name == long)
            #expect(reading.text.last == ["1"])
            #expect(reading.samples.last?.start == 1024 + Int64(start))
        }
    }

    @Test("A size in base 256, one with spaces, and a ustar prefix are read; GNU's magic has no prefix")
    func fields() {
        let binary = [0x80] + [UInt8](repeating: 0, count: 10) + [1]
        #expect(Reading(tarHeader("a.txt", sizeField: binary) + padded([65]) + tarEnd).text == [["A"]])
        let spaced = Array("         1 ".utf8) + [0]
        #expect(Reading(tarHeader("a.txt", sizeField: spaced) + padded([65]) + tarEnd).text == [["A"]])
        #expect(Reading(tarHeader("a.txt", prefix: "some/dir") + tarEnd).keys == ["some/dir/a"])
        #expect(Reading(tarHeader("a.txt", prefix: "some/dir", magic: "ustar  \0") + tarEnd).keys == ["a"])
        let huge = [0x80] + [UInt8](repeating: 255, count: 11)
        #expect(Reading(tarHeader("a.txt", sizeField: huge) + tarEnd).error?.message.contains("size") == true)
    }

    @Test("Members, samples and headers over the limits are errors and take no memory")
    func limits() {
        let limits = TarSampleReader.Limits(
            memberBytesMax: 1000, sampleBytesMax: 1500, membersPerSampleMax: 2, headerBytesMax: 100)
        let big = tarHeader("a.jpg", size: 1001)
        #expect(
            Reading(big, limits: limits).error?.description.contains("member 'a.jpg' has 1001 bytes") == true)
        let thousand = String(repeating: "x", count: 1000)
        let sample = tarMember("a.jpg", thousand) + tarMember("a.png", thousand)
        #expect(Reading(sample, limits: limits).error?.code == .tooLarge)
        let many = tarMember("a.1", "") + tarMember("a.2", "") + tarMember("a.3", "")
        #expect(Reading(many, limits: limits).error?.message.contains("more than 2 members") == true)
        let header = tarHeader("x", size: 101, type: "x")
        #expect(Reading(header, limits: limits).error?.code == .tooLarge)
    }

    @Test("An empty shard is truncated, an empty archive has no samples, and data after its end is an error")
    func ends() {
        #expect(Reading([]).error?.message.contains("the shard is empty") == true)
        #expect(Reading(tarEnd) == Reading(tarEnd + tarEnd))
        #expect(Reading(tarEnd).error == nil && Reading(tarEnd).samples.isEmpty)
        let joined = Reading(tarMember("a.txt", "1") + tarEnd + tarMember("b.txt", "2") + tarEnd)
        #expect(joined.keys == ["a"] && joined.error?.offset == 2048)
        #expect(joined.error?.message.contains("concatenated") == true)
    }
}
