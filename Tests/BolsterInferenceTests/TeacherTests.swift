import Foundation
import Testing

@testable import BolsterInference

@Suite(.enabled(if: TestModels.hasRuntime)) struct TeacherTests {
    private func demoTeacher(_ name: String = "teacher-a") throws -> Teacher {
        try Teacher(
            try TestModels.demo(name), runtime: try #require(TestModels.runtime), device: .cpu, threads: 1)
    }

    @Test("The demo's teachers pass their probes", arguments: ["teacher-a", "teacher-b"])
    func demoProbe(name: String) throws {
        try demoTeacher(name).runProbe()
    }

    @Test(
        "A model exported from open_clip passes its probe", .enabled(if: TestModels.canGenerate),
        arguments: ["teacher", "teacher-half", "siglip", "clipa", "xlm-roberta", "roberta"])
    func generatedProbe(name: String) throws {
        let runtime = try #require(TestModels.runtime)
        let teacher = try Teacher(try TestModels.package(name), runtime: runtime, device: .cpu, threads: 2)
        try teacher.runProbe()
    }

    /// Compares a teacher's answers to its probe with PyTorch's: within 1e-5, cosines over 0.99999.
    private func expectPyTorch(_ package: ModelPackage, threads: Int) throws {
        let teacher = try Teacher(
            package, runtime: try #require(TestModels.runtime), device: .cpu, threads: threads)
        let probe = try TeacherProbe(package)
        let images = try probe.pixels.withUnsafeBufferPointer { try teacher.embedImages($0, count: 16) }
        let texts = try teacher.embedTexts(probe.texts, batch: 5)
        let width = package.embeddingWidth
        for (kind, found, expected) in [
            ("image", images, probe.imageEmbedding), ("text", texts, probe.textEmbedding),
        ] {
            let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
            #expect(largest <= 1e-5, "\(package.name), \(kind)")
            let cosines = stride(from: 0, to: found.count, by: width).map { start in
                (start..<start + width).reduce(0.0) { $0 + Double(found[$1]) * Double(expected[$1]) }
            }
            #expect((cosines.min() ?? 0) > 0.99999)
            print("\(package.name): \(kind) embeddings differ from PyTorch's by \(largest) at most")
        }
    }

    @Test("The demo's embeddings are PyTorch's within 1e-5", arguments: ["teacher-a", "teacher-b"])
    func demoAccuracy(name: String) throws {
        try expectPyTorch(try TestModels.demo(name), threads: 1)
    }

    @Test(
        "Embeddings of a ViT-L/14 are PyTorch's within 1e-5",
        .enabled(if: TestModels.canGenerate && TestModels.isFull))
    func largeAccuracy() throws {
        try expectPyTorch(try TestModels.large(), threads: 0)
    }

    @Test("Batches of any size give the embeddings of single images")
    func batches() throws {
        let teacher = try demoTeacher()
        let probe = try TeacherProbe(teacher.package)
        let width = probe.pixels.count / TeacherProbe.count
        let embedding = teacher.package.embeddingWidth
        let all = try probe.pixels.withUnsafeBufferPointer {
            try teacher.embedImages($0, count: TeacherProbe.count)
        }
        for (start, count) in [(0, 1), (3, 5), (15, 1), (4, 12)] {
            let some = try probe.pixels.withUnsafeBufferPointer {
                try teacher.embedImages(
                    UnsafeBufferPointer(rebasing: $0[start * width..<(start + count) * width]), count: count)
            }
            for (index, value) in some.enumerated() {
                #expect(abs(value - all[start * embedding + index]) < 1e-5)
            }
        }
        #expect(try teacher.embedImages(UnsafeBufferPointer(start: nil, count: 0), count: 0).isEmpty)
    }

    @Test("Text embeddings have unit length and do not depend on the batch")
    func texts() throws {
        let teacher = try demoTeacher()
        let texts = ["a red circle", "", "two blue squares on the left", "a red circle", "<b>&amp;</b>"]
        let one = try teacher.embedTexts(texts, batch: 1)
        let all = try teacher.embedTexts(texts, batch: 64)
        let width = teacher.package.embeddingWidth
        #expect(all.count == texts.count * width)
        #expect(zip(one, all).allSatisfy { abs($0 - $1) < 1e-5 })
        for start in stride(from: 0, to: all.count, by: width) {
            let length = all[start..<start + width].reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(length - 1) < 1e-6)
        }
        #expect(Array(all[..<width]) == Array(all[3 * width..<4 * width]))
        #expect(try teacher.embedTexts([]).isEmpty)
    }

    @Test("Planes in the package's precision give what floats give", .enabled(if: TestModels.canGenerate))
    func planes() throws {
        let runtime = try #require(TestModels.runtime)
        for name in ["teacher", "teacher-half"] {
            let package = try TestModels.package(name)
            let teacher = try Teacher(package, runtime: runtime, device: .cpu, threads: 1)
            try teacher.warmUp(images: 5, texts: 2)
            let pixels = try TeacherProbe(package).pixels
            let expected = try pixels.withUnsafeBufferPointer { try teacher.embedImages($0, count: 16) }
            let width = package.precision.element.byteCount
            let planes = UnsafeMutableRawBufferPointer.allocate(
                byteCount: pixels.count * width, alignment: 64)
            defer { planes.deallocate() }
            pixels.withUnsafeBufferPointer { pixels in
                if package.precision == .fp32 {
                    planes.copyMemory(from: UnsafeRawBufferPointer(pixels))
                } else {
                    HalfFloats.round(pixels, into: planes, as: package.precision)
                }
            }
            #expect(try teacher.embedImages(planes: UnsafeRawBufferPointer(planes), count: 16) == expected)
        }
    }

    @Test("Pixels that are not finite are an error, not an embedding")
    func notFinite() throws {
        let teacher = try demoTeacher()
        let size = teacher.package.imageSize
        let pixels = [Float](repeating: .nan, count: 3 * size * size)
        let error = #expect(throws: InferenceError.self) {
            try pixels.withUnsafeBufferPointer { _ = try teacher.embedImages($0, count: 1) }
        }
        #expect(error?.code == .valueInvalid)
    }

    @Test("Graphs that answer otherwise than the probe are refused")
    func wrongProbe() throws {
        try TestModels.withCopy(of: "teacher-a") { directory in
            let other = try TestModels.demo("teacher-a")
            var bytes = try PackageFile.bytes(of: other.path("probe.npz"), atMost: 1 << 28)
            let expected = try TeacherProbe(other).imageEmbedding
            let pattern = expected[5...8].flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
            let place = try #require(bytes.indices.first { bytes[$0...].starts(with: pattern) })
            bytes[place + 3] ^= 0x80
            try Data(bytes).write(to: URL(fileURLWithPath: directory + "/probe.npz"))
            let runtime = try #require(TestModels.runtime)
            let teacher = try Teacher(
                try ModelPackage(directory: directory), runtime: runtime, device: .cpu, threads: 1)
            let error = #expect(throws: InferenceError.self) { try teacher.runProbe() }
            #expect(error?.code == .probeFailed)
            #expect(error?.message.contains("image_embedding differs from PyTorch's") == true)
        }
    }

    @Test("Graphs of another model are refused when they are loaded")
    func otherGraph() throws {
        try TestModels.withCopy(of: "teacher-a") { directory in
            let step = try TestModels.demo("captioner-a").path("step.onnx")
            let target = URL(fileURLWithPath: directory + "/text.onnx")
            try Data(contentsOf: URL(fileURLWithPath: step)).write(to: target)
            let runtime = try #require(TestModels.runtime)
            let error = #expect(throws: InferenceError.self) {
                _ = try Teacher(
                    try ModelPackage(directory: directory), runtime: runtime, device: .cpu, threads: 1)
            }
            #expect(error?.code == .graphInvalid)
            #expect(error?.message.contains("model.json asks for ids int64[?,") == true)
        }
    }
}
