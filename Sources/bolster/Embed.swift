import ArgumentParser
import BolsterInference
import Foundation

struct Embed: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Embed images and texts with a teacher, to see what it says before a run.",
        discussion: """
            Images are resized and cut as the package says, without augmentation. With images and texts the \
            cosines are printed as a table, otherwise the first numbers of each embedding. The package's \
            files and its probe are checked first.

              bolster embed --model manifests/demo/models/teacher-a photo.jpg --text "a red circle" --text \
              "a dog"
              bolster embed --model models/vit-l-14 *.jpg --out images.npy
            """)

    @OptionGroup var options: ModelOptions

    @Argument(help: "Image files: JPEG, PNG or WebP.")
    var images: [String] = []

    @Option(help: "A text to embed; may be given several times.")
    var text: [String] = []

    @Option(help: "A .npy file for all embeddings, float32 [images then texts, D].")
    var out: String?

    @Option(help: "Images or texts a model sees at once.")
    var batch = 16

    @Option(help: .init("A JSON file for times and counts.", visibility: .hidden))
    var report: String?

    func validate() throws {
        if images.isEmpty, text.isEmpty { throw ValidationError("name image files, or texts with --text") }
        if batch < 1 { throw ValidationError("--batch takes a number from 1, not \(batch)") }
    }

    func run() throws {
        try reporting {
            let package = try options.package(.teacher)
            let teacher = try Teacher(
                package, runtime: try InferenceRuntime.locate(), device: try Device(parsing: options.device),
                threads: options.threadCount)
            try teacher.runProbe()
            var times: [String: Double] = [:]
            let imageRows = try embedImages(teacher, &times)
            let textRows = try timed(&times, "text") { try teacher.embedTexts(text, batch: batch) }
            if let report {
                try JSONEncoder().encode(times).write(to: URL(fileURLWithPath: absolutePath(report)))
            }
            if let out {
                let bytes = NumPyFile.bytes(of: imageRows + textRows, width: package.embeddingWidth)
                try Data(bytes).write(to: URL(fileURLWithPath: absolutePath(out)))
                Terminal.note("\(out): float32 [\(images.count + text.count), \(package.embeddingWidth)]")
            }
            if !images.isEmpty, !text.isEmpty {
                print(
                    SimilarityTable(
                        rows: images, columns: text, rowVectors: imageRows, columnVectors: textRows,
                        width: package.embeddingWidth))
            } else if out == nil {
                printNumbers(imageRows + textRows, width: package.embeddingWidth)
            }
            return .done
        }
    }

    /// Adds the seconds that the model took to `times`.
    private func timed<Value>(
        _ times: inout [String: Double], _ kind: String, _ work: () throws -> Value
    ) throws -> Value {
        let (started, cpu) = (ContinuousClock.now, ProcessTime.seconds)
        let value = try work()
        times["\(kind)_wall_seconds", default: 0] += (ContinuousClock.now - started) / .seconds(1)
        times["\(kind)_cpu_seconds", default: 0] += ProcessTime.seconds - cpu
        return value
    }

    private func embedImages(_ teacher: Teacher, _ times: inout [String: Double]) throws -> [Float] {
        var rows: [Float] = []
        for start in stride(from: 0, to: images.count, by: batch) {
            let files = Array(images[start..<min(start + batch, images.count)])
            let loaded = try ModelImages(files: files, package: teacher.package)
            rows += try loaded.pixels.withUnsafeBufferPointer { pixels in
                try timed(&times, "image") { try teacher.embedImages(pixels, count: loaded.count) }
            }
        }
        return rows
    }

    private func printNumbers(_ rows: [Float], width: Int) {
        for (index, name) in (images + text).enumerated() {
            let first = rows[index * width..<index * width + min(6, width)]
            let numbers = first.map { String(format: "%.5f", $0) }.joined(separator: ", ")
            print("\(name)  [\(numbers)\(width > 6 ? ", …" : "")]  (\(width) numbers)")
        }
    }
}

/// NumPy's file of one array (NumPy Enhancement Proposal 1, version 1.0).
enum NumPyFile {
    /// - Parameter values: [rows, width], row after row.
    static func bytes(of values: [Float], width: Int) -> [UInt8] {
        let shape = "(\(values.count / width), \(width))"
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
        // Magic, version and length take ten bytes; the data begins at a multiple of 64.
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        bytes += [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)] + Array(header.utf8)
        for value in values {
            for shift in stride(from: 0, to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(shift)))
            }
        }
        return bytes
    }
}

/// CPU time of this process.
enum ProcessTime {
    static var seconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
