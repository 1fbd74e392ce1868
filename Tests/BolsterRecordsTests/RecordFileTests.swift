import BolsterDeterminism
import BolsterOracles
import Foundation
import Testing

@testable import BolsterRecords

@Suite struct RecordFileTests {
    @Test("What is written is read back")
    func roundTrip() throws {
        let file = exampleFile()
        #expect(try RecordFile(decoding: file.encode(), name: "x") == file)
    }

    @Test("A chunk without samples is a file too")
    func empty() throws {
        var header = exampleHeader(samples: 0)
        header.range = nil
        let file = RecordFile(
            header: header, keys: [], skips: [],
            columns: [
                RecordColumn(name: "captions", content: .text([])),
                RecordColumn(name: "text_emb", rounding: [], to: .bf16, rows: [], width: 8),
            ])
        #expect(try RecordFile(decoding: file.encode(), name: "x") == file)
    }

    @Test("Version 1 is what the golden file holds", arguments: ["record-v1.records"])
    func golden(name: String) throws {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Golden/\(name)")
        let golden = [UInt8](try Data(contentsOf: url))
        #expect(try RecordFile(decoding: golden, name: name) == exampleFile())
        #expect(try exampleFile().encode() == golden)
    }

    @Test("Every truncation is detected")
    func truncations() throws {
        let bytes = try exampleFile().encode()
        for count in 0..<bytes.count {
            #expect(throws: RecordsError.self) { try RecordFile(decoding: Array(bytes[..<count]), name: "x") }
        }
        #expect(throws: RecordsError.self) { try RecordFile(decoding: bytes + [0], name: "x") }
    }

    @Test("Every flipped bit is detected")
    func flippedBits() throws {
        var bytes = try exampleFile().encode()
        for bit in 0..<(8 * bytes.count) {
            bytes[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: RecordsError.self) { try RecordFile(decoding: bytes, name: "x") }
            bytes[bit / 8] ^= 1 << (bit % 8)
        }
    }

    @Test("A damaged file with a right checksum is refused or read, and never traps")
    func forgedChecksums() throws {
        let original = try exampleFile().encode()
        var random = CounterRandom(seed: 3, purpose: .caption, key: "forged", index: 0)
        for _ in 0..<3000 {
            var bytes = original
            bytes[8 + random.integer(below: bytes.count - 16)] = UInt8(random.integer(below: 256))
            bytes.replaceSubrange((bytes.count - 8)..., with: [])
            bytes.appendLittleEndian(XXH64Hasher.hash(of: bytes))
            do throws(RecordsError) {
                let file = try RecordFile(decoding: bytes, name: "x")
                #expect(file.mistake() == nil)
            } catch {
                #expect(error.message.hasPrefix("x"))
            }
        }
    }

    @Test("Another version is named")
    func versions() throws {
        var bytes = try exampleFile().encode()
        bytes[8] = 2
        bytes.replaceSubrange((bytes.count - 8)..., with: [])
        bytes.appendLittleEndian(XXH64Hasher.hash(of: bytes))
        let error = #expect(throws: RecordsError.self) { try RecordFile(decoding: bytes, name: "x") }
        #expect(error?.code == .version)
    }

    @Test("Values that contradict each other are not written")
    func inconsistent() {
        let header = exampleHeader(samples: 1)
        let wrong: [RecordFile] = [
            RecordFile(header: header, keys: [], skips: [nil], columns: []),
            RecordFile(header: header, keys: ["a"], skips: [], columns: []),
            RecordFile(
                header: header, keys: ["a"], skips: [nil],
                columns: [RecordColumn(name: "t", content: .text([]))]),
            RecordFile(
                header: header, keys: ["a"], skips: [nil],
                columns: [
                    RecordColumn(
                        name: "t", content: .tensor(type: .bf16, rows: [1], width: 3, bytes: [1, 2, 3, 4]))
                ]),
            RecordFile(
                header: header, keys: ["a"], skips: [nil],
                columns: [RecordColumn(name: "key", content: .text(["b"]))]),
        ]
        for file in wrong {
            let error = #expect(throws: RecordsError.self) { try file.encode() }
            #expect(error?.code == .inconsistent)
        }
    }

    @Test("bf16 unit vectors take at most 0.73 of their size")
    func ratio() throws {
        let bytes = BFloat16.bytes(rounding: unitVectors(rows: 128, width: 512))
        let encoded = bytes.withUnsafeBytes { TensorCodec.encoded($0, type: .bf16) }
        #expect(Double(encoded.frame.count) / Double(bytes.count) < 0.73)
    }

    @Test("Numbers of every kind survive, in blocks of every length", arguments: TensorType.allCases)
    func tensors(type: TensorType) throws {
        var random = CounterRandom(seed: 4, purpose: .caption, key: "bits", index: 0)
        let all = (0..<((1 << 16) + 4096)).map { _ in UInt8(random.integer(below: 256)) }
        for count in [0, 1, 2, 7, 8, 9, 1000, 1 << 14, 1 << 15, (1 << 15) + 1, all.count / type.size] {
            let bytes = Array(all.prefix(min(count * type.size, all.count)))
            let encoded = bytes.withUnsafeBytes { TensorCodec.encoded($0, type: type) }
            let decoded = try encoded.frame.withUnsafeBytes { frame throws(RecordsError) in
                try TensorCodec.decoded(
                    frame, exponents: encoded.exponents, byteCount: bytes.count, type: type, place: "x")
            }
            #expect(decoded == bytes)
        }
    }

    @Test("tools/read_records.py reads the same", .enabled(if: Oracle.hasNumpyAndLZ4))
    func pythonReader() throws {
        let big = RecordFile(
            header: exampleHeader(samples: 2), keys: ["a", "b"], skips: [nil, nil],
            columns: [
                RecordColumn(
                    name: "image_emb", rounding: unitVectors(rows: 150, width: 301), to: .bf16,
                    rows: [1, 149], width: 301)
            ])
        let script = """
            import sys, json, hashlib
            sys.path.insert(0, \(PythonJSON.text(of: Python.checkout.appendingPathComponent("tools").path)))
            from read_records import RecordFile
            for name in ["small", "big"]:
                r = RecordFile(open(name, "rb").read())
                print(json.dumps([r.keys, r.skips, r.header["epoch"], r.columns.get("param_aug")]))
                for name, rows in r.columns.items():
                    if name != "param_aug":
                        digest = hashlib.sha256(b"".join(x.tobytes() for x in rows)).hexdigest()
                        print(name, [len(x) for x in rows], digest)
            """
        let output = try Oracle.run(script, files: ["small": exampleFile().encode(), "big": big.encode()])
        var expected = ""
        for file in [exampleFile(), big] {
            let skips: [JSONValue] = file.skips.map { skip in
                guard let skip else { return .null }
                return .array([.string(skip.reason), .string(skip.detail)])
            }
            var texts = JSONValue.null
            if case .text(let values)? = file.column("param_aug")?.content {
                texts = .array(values.map { .string($0) })
            }
            let line: JSONValue = .array([
                .array(file.keys.map { .string($0) }), .array(skips), .string(file.header.epoch), texts,
            ])
            expected += PythonJSON.text(of: line) + "\n"
            for column in file.columns {
                guard case .tensor(let type, let rows, let width, let bytes) = column.content else {
                    continue
                }
                let matrix = EmbeddingMatrix(
                    name: column.name, rows: rows.reduce(0, +), width: width, type: type, bytes: bytes)
                expected += "\(column.name) \(rows) \(SHA256Hasher.digest(of: matrix.widened).hex)\n"
            }
        }
        #expect(output == expected)
    }
}
