import BolsterOracles
import Foundation
import Testing

@testable import BolsterDataset

private let hasNumPy = Python.has("numpy")

@Suite("Files of uids")
struct UIDSetTests {
    private static let uids = [
        "00000000000000000000000000000001", "ffffffffffffffff0000000000000000",
        "5a0e4c1f7f9e4d0fb3d16b0e8fd2c111",
    ]

    private func set(_ text: String) throws -> UIDSet { try UIDSet(file: "a.txt", Array(text.utf8)) }

    @Test("One uid to the line, whatever its form; blanks, blank lines and comments do not count")
    func lines() throws {
        let uids = try set("# ours\n\(Self.uids[0])\r\n  \(Self.uids[1].uppercased())\t\n\nshort\n日本 1\n")
        #expect(uids.count == 4)
        for uid in [Self.uids[0], Self.uids[1], "short", "日本 1"] { #expect(uids.contains(uid)) }
        for uid in [Self.uids[2], "", "shor", "SHORT"] { #expect(!uids.contains(uid)) }
    }

    @Test("The digest depends on the uids alone")
    func digest() throws {
        let one = try set(Self.uids.joined(separator: "\n"))
        let other = try set((Self.uids.reversed() + Self.uids).joined(separator: "\n\n"))
        #expect(one == other)
        #expect(one.digest != (try set(Self.uids[0])).digest)
    }

    @Test("DataComp's subset files, written by NumPy, equal the same uids as text", .enabled(if: hasNumPy))
    func dataComp() throws {
        let script = """
            import io, sys, numpy
            pairs = [(int(uid[:16], 16), int(uid[16:32], 16)) for uid in sys.argv[1:]]
            array = numpy.array(pairs, numpy.dtype("u8,u8"))
            array.sort()
            file = io.BytesIO()
            numpy.save(file, array)
            sys.stdout.buffer.write(file.getvalue())
            """
        let output = try Python.run(["-c", script] + Self.uids)
        let uids = try UIDSet(file: "subset.npy", [UInt8](output))
        #expect(uids == (try set(Self.uids.joined(separator: "\n"))))
    }

    @Test("Other arrays and damaged files are refused, each with what was found", .enabled(if: hasNumPy))
    func otherArrays() throws {
        for dtype in ["f4", "u8,u8,u8", "u8,u4", ">u8,>u8", "S16"] {
            let script = """
                import io, sys, numpy
                file = io.BytesIO()
                numpy.save(file, numpy.zeros(3, numpy.dtype(sys.argv[1])))
                sys.stdout.buffer.write(file.getvalue())
                """
            let output = try Python.run(["-c", script, dtype])
            #expect(output.count > 80)
            #expect(throws: DatasetError.self, "\(dtype)") { _ = try UIDSet(file: "a.npy", [UInt8](output)) }
        }
    }

    /// What numpy.save writes for two uids.
    private static let npy: [UInt8] = {
        let text = "{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': False, 'shape': (2,), }"
        let header = text + String(repeating: " ", count: 128 - 10 - text.utf8.count - 1) + "\n"
        let values: [UInt64] = [1, 2, 3, 4]
        let magic: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0]
        return magic + Array(header.utf8)
            + values.flatMap { value in
                (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            }
    }()

    @Test("Every truncation is an error; mutations read or are errors")
    func damage() throws {
        let uids = try UIDSet(file: "a.npy", Self.npy)
        #expect(uids.count == 2 && uids.contains("00000000000000010000000000000002"))
        for length in 0..<Self.npy.count {
            #expect(throws: DatasetError.self, "\(length)") {
                _ = try UIDSet(file: "a.npy", Array(Self.npy[..<length]))
            }
        }
        let words = ["(", ")", "'", "9999999999999999999", "-1", "[", "]", ","].map { Array($0.utf8) }
        for input in FuzzedInputs("npy", of: Self.npy, words: words, rounds: 300, salt: 5) {
            do throws(DatasetError) {
                #expect(try UIDSet(file: "a.npy", input.bytes).count > 0)
            } catch {
                #expect(error.code == .damagedSelection, "\(input.name)")
            }
        }
    }
}
