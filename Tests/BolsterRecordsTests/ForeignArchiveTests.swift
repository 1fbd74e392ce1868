import BolsterCompression
import BolsterDeterminism
import Foundation
import Testing

@testable import BolsterRecords

/// Archives that NumPy and PyTorch have written.
@Suite struct ForeignArchiveTests {
    /// The files that a script leaves, by name. PyTorch takes seconds to import: one script a test.
    private func written(_ script: String) throws -> [String: [UInt8]] {
        try Oracle.withDirectory { directory in
            _ = try Oracle.run(script, in: directory)
            var files: [String: [UInt8]] = [:]
            for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
                files[name] = [UInt8](try Data(contentsOf: directory.appendingPathComponent(name)))
            }
            return files
        }
    }

    @Test(
        "A pth.gz of torch.save is read: both types, a part of a larger tensor, a storage of two tensors",
        .enabled(if: Oracle.hasTorch))
    func torch() throws {
        let files = try written(
            """
            import gzip, torch
            whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
            matrices = {"image_emb": whole.to(torch.bfloat16), "text_emb": whole[1:3], "a_emb": whole[:, 2:5],
                "none_emb": whole[:0]}
            for protocol in 2, 3, 4, 5:
                with gzip.open(str(protocol), "wb") as out:
                    torch.save(matrices, out, pickle_protocol=protocol)
            """)
        #expect(files.count == 4)
        for (name, bytes) in files {
            let matrices = try TorchArchive.matrices(of: bytes, name: name)
            #expect(matrices.map(\.name) == ["image_emb", "text_emb", "a_emb", "none_emb"])
            #expect(matrices.map(\.type) == [.bf16, .fp32, .fp32, .fp32])
            #expect(matrices[0].floats == (0..<24).map(Float.init))
            #expect(matrices[1].floats == (6..<18).map(Float.init))
            #expect(matrices[2].floats == [2, 3, 4, 8, 9, 10, 14, 15, 16, 20, 21, 22])
            #expect(matrices[3].rows == 0 && matrices[3].width == 6)
        }
    }

    @Test("A pickle of torch.save is read and never run", .enabled(if: Oracle.hasTorch))
    func hostile() throws {
        let files = try written(
            """
            import gzip, torch
            values = [torch.zeros(3), torch.zeros(2, 2, dtype=torch.int64), [1, 2], torch.zeros(2, 3).T,
                print, {"b": torch.zeros(2, 2)}, torch.zeros(1, 3).expand(5, 3)]
            for number, value in enumerate(values):
                with gzip.open(str(number), "wb") as out:
                    torch.save({"image_emb": value}, out)
            """)
        #expect(files.count == 7)
        for (name, bytes) in files {
            let error = #expect(throws: RecordsError.self) {
                try TorchArchive.matrices(of: bytes, name: name)
            }
            #expect(error?.code == .malformed, "\(name)")
        }
    }

    @Test(
        "Changed archives of torch.save and savez_compressed are values or errors",
        .enabled(if: Oracle.hasTorch))
    func changed() throws {
        let files = try written(
            """
            import numpy, torch
            torch.save({"image_emb": torch.rand(4, 6), "text_emb": torch.rand(2, 6).bfloat16()}, "zip")
            numpy.savez_compressed(open("npz", "wb"), image_emb=numpy.ones((9, 7), "f4"))
            """)
        let (zip, npz) = (try #require(files["zip"]), try #require(files["npz"]))
        let ones = try NumpyArchive.matrices(of: npz, name: "npz")
        #expect(ones.map(\.floats) == [Array(repeating: 1, count: 63)])
        let pickle = try #require(ZipReader(zip, name: "zip").members.first { $0.name.hasSuffix("data.pkl") })
        #expect(TorchPickle.tensors(in: pickle.content)?.map(\.rows) == [4, 2])
        var refused = 0
        var random = CounterRandom(seed: 12, purpose: .caption, key: "foreign", index: 0)
        for _ in 0..<150 {
            for (number, original) in [zip, npz, pickle.content].enumerated() {
                var bytes = original
                for _ in 0...random.integer(below: 3) {
                    bytes[random.integer(below: bytes.count)] = UInt8(random.integer(below: 256))
                }
                do throws(RecordsError) {
                    switch number {
                    case 0: _ = try TorchArchive.matrices(of: Gzip.text.compressed(bytes), name: "x")
                    case 1: _ = try NumpyArchive.matrices(of: bytes, name: "x")
                    default: refused += TorchPickle.tensors(in: bytes) == nil ? 1 : 0
                    }
                } catch {
                    refused += 1
                }
            }
        }
        #expect(refused > 250)
    }
}
