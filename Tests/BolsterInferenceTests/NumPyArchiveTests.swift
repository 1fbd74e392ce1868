import BolsterOracles
import Foundation
import Testing

@testable import BolsterInference

@Suite(.enabled(if: PythonOracle.hasNumPy)) struct NumPyArchiveTests {
    private static let program = """
        import io, sys, numpy
        file = io.BytesIO()
        numpy.savez(file, grid=numpy.arange(6, dtype="f4").reshape(2, 3) / 4, row=numpy.array([-1, 2**40]),
                    raw=numpy.frombuffer(b"bytes", dtype="u1"), one=numpy.float32(3))
        sys.stdout.buffer.write(file.getvalue())
        """

    @Test("Arrays that NumPy stored are read back")
    func reads() throws {
        let archive = try NumPyArchive(
            file: "a.npz", bytes: [UInt8](try Python.run(["-c", Self.program])))
        #expect(
            try archive.array("grid", type: "<f4", shape: [2, 3]).floats == [0, 0.25, 0.5, 0.75, 1, 1.25])
        #expect(try archive.array("row", type: "<i8", shape: [-1]).integers == [-1, 1 << 40])
        #expect(try archive.array("raw", type: "|u1", shape: [5]).bytes == Array("bytes".utf8))
        #expect(try archive.array("one", type: "<f4", shape: []).floats == [3])
    }

    @Test("Another type, another shape and an absent name are told apart")
    func mismatches() throws {
        let archive = try NumPyArchive(
            file: "a.npz", bytes: [UInt8](try Python.run(["-c", Self.program])))
        for (name, type, shape, words) in [
            ("grid", "<i8", [2, 3], "is <f4 [2, 3]; expected <i8 [2, 3]"),
            ("grid", "<f4", [3, -1], "expected <f4 [3, any]"),
            ("cell", "<f4", [1], "no array \"cell\"; it has grid, one, raw, row"),
        ] {
            let error = #expect(throws: InferenceError.self) {
                _ = try archive.array(name, type: type, shape: shape)
            }
            #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
        }
    }

    @Test("A file cut short anywhere is refused, never a trap")
    func truncations() throws {
        let bytes = [UInt8](try Python.run(["-c", Self.program]))
        for length in stride(from: 0, to: bytes.count, by: 3) {
            #expect(throws: InferenceError.self) {
                try NumPyArchive(file: "a.npz", bytes: Array(bytes.prefix(length)))
            }
        }
    }

    @Test("A flipped bit anywhere is refused or read, never a trap")
    func flips() throws {
        let bytes = [UInt8](try Python.run(["-c", Self.program]))
        var refused = 0
        for position in bytes.indices {
            var damaged = bytes
            damaged[position] ^= 1 << UInt8(position % 8)
            do {
                let archive = try NumPyArchive(file: "a.npz", bytes: damaged)
                _ = try archive.array("grid", type: "<f4", shape: [2, 3])
            } catch {
                refused += 1
            }
        }
        #expect(refused > 50)
    }

    @Test("A compressed archive is refused with the way out")
    func compressed() throws {
        let program = Self.program.replacingOccurrences(of: "savez(", with: "savez_compressed(")
        let bytes = [UInt8](try Python.run(["-c", program]))
        let error = #expect(throws: InferenceError.self) { try NumPyArchive(file: "a.npz", bytes: bytes) }
        #expect(error?.message.contains("write it with numpy.savez") == true)
    }
}
