import BolsterCompression
import BolsterDeterminism
import Foundation
import Testing

@testable import BolsterRecords

/// Decoders fed with changed bytes: each answers with a value or an error, and never traps. BOLSTER_MUTATIONS
/// says how many changes each gets; the default is what a test run can afford.
@Suite struct MutationTests {
    private static let count = Int(ProcessInfo.processInfo.environment["BOLSTER_MUTATIONS"] ?? "") ?? 1500

    /// Overwrites, removes, repeats or inserts a few bytes at random places.
    private func mutated(_ original: [UInt8], _ random: inout CounterRandom) -> [UInt8] {
        var bytes = original
        for _ in 0...random.integer(below: 3) where !bytes.isEmpty {
            let place = random.integer(below: bytes.count)
            let interesting: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(random.integer(below: 256))]
            switch random.integer(below: 5) {
            case 0: bytes[place] = interesting[random.integer(below: interesting.count)]
            case 1: bytes[place] ^= 1 << random.integer(below: 8)
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.integer(below: 8)))
            case 3: bytes.insert(contentsOf: interesting, at: place)
            default:
                for index in place..<min(bytes.count, place + 4) { bytes[index] = 0xFF }
            }
        }
        return bytes
    }

    private func feed(_ original: [UInt8], _ name: String, _ decode: ([UInt8]) throws -> Void) {
        var random = CounterRandom(seed: 11, purpose: .caption, key: name, index: 0)
        var refused = 0
        for _ in 0..<Self.count {
            do {
                try decode(mutated(original, &random))
            } catch {
                #expect(error is RecordsError)
                refused += 1
            }
        }
        #expect(refused > Self.count / 4, "\(name) refused only \(refused) of \(Self.count)")
    }

    @Test("Record files with a right size and checksum")
    func recordFiles() throws {
        feed(try exampleFile().encode(), "record") { bytes in
            guard bytes.count > 32 else { return }
            var forged = Array(bytes.dropLast(8))
            let size = UInt64(forged.count + 8).littleEndian
            withUnsafeBytes(of: size) { forged.replaceSubrange(16..<24, with: $0) }
            forged.appendLittleEndian(XXH64Hasher.hash(of: forged))
            _ = try RecordFile(decoding: forged, name: "x")
        }
    }

    @Test("npz archives")
    func npz() {
        feed(NumpyArchive.bytes(of: Array(EncodingTests.matrices.prefix(2))), "npz") {
            _ = try NumpyArchive.matrices(of: $0, name: "x")
        }
    }

    @Test("Torch archives inside an intact gzip")
    func torch() {
        feed(TorchArchive.zip(of: Array(EncodingTests.matrices.prefix(2))), "pth.gz") {
            _ = try TorchArchive.matrices(of: Gzip.text.compressed($0), name: "x")
        }
    }

    @Test("Pickled matrices inside an intact gzip")
    func pickles() {
        feed(NumpyPickle.pickle(of: EncodingTests.matrices[0]), "pickle") {
            _ = try NumpyPickle.matrix(of: Gzip.text.compressed($0), name: "x")
        }
    }

    @Test("JSON texts")
    func json() {
        let text = #"{"a": [1, -2.5e3, true, null, "x\u00e9\ud83d\ude00\n"], "b": {"c": []}, "d": "naïve"}"#
        feed(Array(text.utf8), "json") {
            let value = try JSONValue(parsing: $0)
            #expect(try JSONValue(parsing: PythonJSON.bytes(of: value)) == value)
        }
    }
}
