import Foundation
import Testing

@testable import BolsterInference

@Suite struct RuntimeTests {
    @Test(
        "Exhausted memory is told from other failures",
        arguments: [
            ("Failed to allocate memory for requested buffer of size 1073741824", true),
            ("Available memory of 12 is smaller than requested bytes of 4096", true),
            ("Exception during initialization: std::bad_alloc", true),
            ("CUDA failure 2: out of memory ; GPU=0", true),
            ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", true),
            ("Got invalid dimensions for input: pixels", false),
            ("CUDA failure 719: unspecified launch failure", false),
        ])
    func exhaustedMemory(words: String, isExhausted: Bool) {
        #expect(InferenceRuntime.namesLackOfMemory(words) == isExhausted)
    }

    @Test("Without a runtime the error names every place and the command that mends it")
    func missing() throws {
        let search = RuntimeSearch(environment: [:], executable: "/nowhere/bin/bolster")
        #expect(search.places.map(\.described).contains("/nowhere/bin"))
        #expect(search.places.map(\.described).contains("/nowhere/lib"))
        #expect(search.places.map(\.described).contains("/.tools/onnxruntime/lib"))
        #expect(search.places.last?.library == "libonnxruntime.so.1")
        let error = #expect(throws: InferenceError.self) {
            _ = try InferenceRuntime.locate(
                environment: ["BOLSTER_ONNXRUNTIME": "/nowhere/ort"], executable: "/bolster")
        }
        #expect(error?.code == .runtimeMissing)
        #expect(error?.message.contains("BOLSTER_ONNXRUNTIME=/nowhere/ort: nothing there") == true)
        #expect(error?.message.contains("tools/setup.sh") == true)
    }

    @Test("A library that is not ONNX Runtime is refused by name")
    func another() {
        let error = #expect(throws: InferenceError.self) { try InferenceRuntime(libraryPath: "libz.so.1") }
        #expect(error?.code == .runtimeUnusable)
        #expect(error?.message.contains("libz.so.1 is not ONNX Runtime") == true)
    }

    @Test("The loaded runtime tells its version and providers", .enabled(if: TestModels.hasRuntime))
    func version() throws {
        let runtime = try #require(TestModels.runtime)
        #expect(runtime.version.split(separator: ".").count == 3)
        #expect(runtime.providers.contains("CPUExecutionProvider"))
    }

    @Test("A GPU that the runtime cannot use is a clear error", .enabled(if: TestModels.hasRuntime))
    func missingProvider() throws {
        let runtime = try #require(TestModels.runtime)
        guard !runtime.providers.contains("CUDAExecutionProvider") else { return }
        let package = try TestModels.demo("teacher-a")
        let error = #expect(throws: InferenceError.self) {
            _ = try Teacher(package, runtime: runtime, device: .cuda(0), threads: 1)
        }
        #expect(error?.code == .providerMissing)
        #expect(error?.message.contains("cuda:0") == true)
        #expect(error?.message.contains("CPUExecutionProvider") == true)
    }

    @Test("Devices are written as cpu and cuda:N", arguments: ["cpu", "cuda:0", "cuda:7"])
    func device(text: String) throws {
        #expect(try Device(parsing: text).description == text)
    }

    @Test("Anything else is no device", arguments: ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"])
    func noDevice(text: String) {
        #expect(throws: InferenceError.self) { try Device(parsing: text) }
    }
}
