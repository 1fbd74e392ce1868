import BolsterCompression
import BolsterDeterminism
import Foundation
import Testing

@testable import BolsterRecords

@Suite struct EncodingTests {
    static let matrices = [
        EmbeddingMatrix(
            name: "image_emb", rows: 3, width: 40, type: .bf16,
            bytes: BFloat16.bytes(rounding: unitVectors(rows: 3, width: 40))),
        EmbeddingMatrix(name: "text_emb", rows: 0, width: 40, type: .bf16, bytes: []),
        EmbeddingMatrix(
            name: "syn_text_emb", rows: 300, width: 40, type: .fp32,
            bytes: unitVectors(rows: 300, width: 40, seed: 5).withUnsafeBytes { Array($0) }),
    ]

    @Test("numpy.load opens an npz without pickling, with equal numbers", .enabled(if: Oracle.hasNumpy))
    func npzInNumpy() throws {
        let script = """
            import numpy, hashlib, zipfile, io
            archive = numpy.load("x.npz", allow_pickle=False)
            for name in archive.files:
                a = archive[name]
                print(name, a.dtype.str, list(a.shape), hashlib.sha256(a.tobytes()).hexdigest())
            assert zipfile.ZipFile("x.npz").testzip() is None
            for name in archive.files:
                again = io.BytesIO(); numpy.save(again, archive[name])
                assert again.getvalue() == zipfile.ZipFile("x.npz").read(name + ".npy"), name
            """
        let output = try Oracle.run(script, files: ["x.npz": NumpyArchive.bytes(of: Self.matrices)])
        let expected = Self.matrices.map {
            "\($0.name) <f4 [\($0.rows), \($0.width)] \(SHA256Hasher.digest(of: $0.widened).hex)\n"
        }
        #expect(output == expected.joined())
    }

    @Test("An npz of numpy.savez is read", .enabled(if: Oracle.hasNumpy))
    func npzFromNumpy() throws {
        let bytes = try Oracle.withDirectory { directory in
            _ = try Oracle.run(
                "import numpy as np; np.savez('x.npz', image_emb=np.arange(6, dtype='f4').reshape(2, 3))",
                in: directory)
            return [UInt8](try Data(contentsOf: directory.appendingPathComponent("x.npz")))
        }
        // NumPy leaves the sizes to a ZIP64 field in the local header alone; the directory has them.
        let matrices = try NumpyArchive.matrices(of: bytes, name: "x.npz")
        #expect(matrices.map(\.name) == ["image_emb"])
        #expect(matrices.first?.floats == [0, 1, 2, 3, 4, 5])
    }

    @Test("Our npz comes back as fp32")
    func npzRoundTrip() throws {
        let read = try NumpyArchive.matrices(of: NumpyArchive.bytes(of: Self.matrices), name: "x")
        #expect(read.map(\.name) == Self.matrices.map(\.name))
        #expect(read.map(\.floats) == Self.matrices.map(\.floats))
    }

    @Test("NumPy unpickles a JSONL file's embedding, with equal numbers", .enabled(if: Oracle.hasNumpy))
    func pickleInNumpy() throws {
        let script = """
            import gzip, hashlib, pickle, pickletools
            for number in range(3):
                packed = open(str(number), "rb").read()
                array = pickle.loads(gzip.decompress(packed))
                print(array.dtype.str, list(array.shape), hashlib.sha256(array.tobytes()).hexdigest())
                pickletools.optimize(gzip.decompress(packed))
            """
        let files = Self.matrices.enumerated().map { (String($0), NumpyPickle.bytes(of: $1)) }
        let output = try Oracle.run(script, files: Dictionary(uniqueKeysWithValues: files))
        let expected = Self.matrices.map {
            "<f4 [\($0.rows), \($0.width)] \(SHA256Hasher.digest(of: $0.widened).hex)\n"
        }
        #expect(output == expected.joined())
    }

    @Test("Our pickle comes back as fp32, and another is refused")
    func pickleRoundTrip() throws {
        for matrix in Self.matrices {
            let read = try NumpyPickle.matrix(of: NumpyPickle.bytes(of: matrix), name: matrix.name)
            #expect(read.floats == matrix.floats && read.rows == matrix.rows)
        }
        var pickle = NumpyPickle.pickle(of: Self.matrices[0])
        pickle[8] ^= 1
        #expect(throws: RecordsError.self) {
            try NumpyPickle.matrix(of: Gzip.text.compressed(pickle), name: "x")
        }
    }

    @Test("torch.load(weights_only=True) opens a pth.gz, with equal numbers", .enabled(if: Oracle.hasTorch))
    func torch() throws {
        let script = """
            import gzip, hashlib, torch
            for name, a in torch.load(gzip.open("x.pth.gz"), weights_only=True).items():
                digest = hashlib.sha256(a.float().numpy().tobytes()).hexdigest()
                print(name, a.dtype, list(a.shape), a.is_contiguous(), digest)
            """
        let output = try Oracle.run(script, files: ["x.pth.gz": TorchArchive.bytes(of: Self.matrices)])
        let expected = Self.matrices.map { matrix in
            let rounded = matrix.rounded.withUnsafeBytes { BFloat16.widened($0) }
            return
                "\(matrix.name) torch.bfloat16 [\(matrix.rows), \(matrix.width)] True "
                + "\(SHA256Hasher.digest(of: rounded).hex)\n"
        }
        #expect(output == expected.joined())
    }

    @Test("Our pth.gz comes back as bf16, and a damaged one is refused")
    func torchRoundTrip() throws {
        var bytes = TorchArchive.bytes(of: Self.matrices)
        let read = try TorchArchive.matrices(of: bytes, name: "x")
        #expect(read.map(\.name) == Self.matrices.map(\.name))
        #expect(read.map(\.bytes) == Self.matrices.map(\.rounded))
        bytes[bytes.count / 2] ^= 1
        #expect(throws: RecordsError.self) { try TorchArchive.matrices(of: bytes, name: "x") }
        #expect(throws: RecordsError.self) {
            try TorchArchive.matrices(of: Array(bytes.dropLast()), name: "x")
        }
    }

    @Test("The encodings' bytes stay what they were")
    func goldenDigests() {
        #expect(
            SHA256Hasher.digest(of: NumpyArchive.bytes(of: Self.matrices)).hex
                == "02e9a0f3698ebeca7d304bac3f0499545aca936750e3ebdc726e13f8e89219f8")
        #expect(
            SHA256Hasher.digest(of: TorchArchive.zip(of: Self.matrices)).hex
                == "b673a7ebd092bbc002f21d5ee3d99ce29516aae7e40c93867e4ab07ca1dc0e8f")
    }

    @Test("fp32 is rounded to bf16 as PyTorch rounds it", .enabled(if: Oracle.hasTorch))
    func rounding() throws {
        var random = CounterRandom(seed: 6, purpose: .caption, key: "float", index: 0)
        var values = (0..<20000).map { _ in Float(bitPattern: random.next()) }
        values += [
            0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
            1.00390625,
        ]
        let script = """
            import torch, numpy
            v = torch.from_numpy(numpy.fromfile("x", "<f4"))
            v.to(torch.bfloat16).view(torch.int16).numpy().tofile("y")
            """
        let expected = try Oracle.withDirectory { directory in
            try Data(values.withUnsafeBytes { Array($0) }).write(to: directory.appendingPathComponent("x"))
            _ = try Oracle.run(script, in: directory)
            return [UInt8](try Data(contentsOf: directory.appendingPathComponent("y")))
        }
        let rounded = BFloat16.bytes(rounding: values)
        // PyTorch's vector code keeps a NaN's sign on some processors; every NaN is a NaN.
        for (index, value) in values.enumerated() where !value.isNaN {
            #expect(
                rounded[(2 * index)..<(2 * index + 2)] == expected[(2 * index)..<(2 * index + 2)], "\(value)")
        }
    }

    @Test("Strings are escaped as json.dumps escapes them", .enabled(if: Oracle.hasNumpy))
    func pythonJSON() throws {
        let strings = [
            "", "plain", "\"quoted\" \\ / ", "tab\t newline\n \r \u{8} \u{c} \u{1} \u{7f}",
            "naïve Zürich Ключ 漢字",
            "emoji 🦊 \u{2028}", "e\u{301}",
        ]
        let value: JSONValue = .object([
            .init("syn_text", .array(strings.map { .string($0) })), .init("ключ", .null),
            .init("t", .bool(true)),
            .init("n", .number("-1.5")), .init("empty", .object([])), .init("list", .array([])),
        ])
        let ours = PythonJSON.text(of: value)
        let script = "import json; print(json.dumps(json.load(open('x', encoding='utf-8'))), end='')"
        #expect(try Oracle.run(script, files: ["x": Array(ours.utf8)]) == ours)
        #expect(try JSONValue(parsing: Array(ours.utf8)) == value)
    }

    @Test(
        "What is not JSON is refused with the place",
        arguments: [
            "", "{", "[1,]", "{\"a\" 1}", "\"\\x\"", "01", "1.", "nul", "[1] 2", "\"\n\"", "\"abc", "-",
            "{\"a\":}",
            "\"\\u12\"", "NaN", "'a'",
        ])
    func notJSON(text: String) {
        let error = #expect(throws: RecordsError.self) { try JSONValue(parsing: Array(text.utf8)) }
        #expect(error?.message.contains("byte") == true)
    }

    @Test("JSON keeps order and spelling, pairs surrogates and replaces half ones")
    func jsonValues() throws {
        let value = try JSONValue(
            parsing: Array(#" {"b": 1e-3, "a": ["😀", "\ud83d", "\ud83dx"], "b": 2} "#.utf8))
        #expect(value["b"] == .number("2"))
        #expect(value["a"]?.strings == ["😀", "\u{FFFD}", "\u{FFFD}x"])
        #expect(value["c"] == nil)
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: RecordsError.self) { try JSONValue(parsing: Array(deep.utf8)) }
    }
}
