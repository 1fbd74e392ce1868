import ArgumentParser
import BolsterInference
import Foundation

struct Embed: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Embed images and texts with a teacher, to see what it says before a run.",
        discussion: """
            Images are resized and cut as the package says, without augmentation. With images and texts the \
            similarities are printed as a table, otherwise the first numbers of each embedding.

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
            let imageRows = try embedImages(teacher)
            let textRows = try teacher.embedTexts(text, batch: batch)
            if let out {
                let bytes = NumPyFile.bytes(of: imageRows + textRows, width: package.embeddingWidth)
                try Data(bytes).write(to: URL(fileURLWithPath: absolutePath(out)))
                Terminal.note("\(out): float32 [\(images.count + text.count), \(package.embeddingWidth)]")
            }
            if !images.isEmpty, !text.isEmpty {
                printSimilarities(imageRows, textRows, width: package.embeddingWidth)
            } else if out == nil {
                printNumbers(imageRows + textRows, width: package.embeddingWidth)
            }
            return .done
        }
    }

    private func embedImages(_ teacher: Teacher) throws -> [Float] {
        var rows: [Float] = []
        for start in stride(from: 0, to: images.count, by: batch) {
            let files = Array(images[start..<min(start + batch, images.count)])
            let loaded = try ModelImages(files: files, package: teacher.package)
            rows += try loaded.pixels.withUnsafeBufferPointer { pixels in
                try teacher.embedImages(pixels, count: loaded.count)
            }
        }
        return rows
    }

    private func printSimilarities(_ imageRows: [Float], _ textRows: [Float], width: Int) {
        for (image, file) in images.enumerated() {
            print(file)
            for (index, words) in text.enumerated() {
                var cosine = 0.0
                for column in 0..<width {
                    let product = imageRows[image * width + column] * textRows[index * width + column]
                    cosine += Double(product)
                }
                print(String(format: "  %7.4f  ", cosine) + words)
            }
        }
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
