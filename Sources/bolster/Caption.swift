import ArgumentParser
import BolsterInference
import Foundation

struct Caption: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Caption images with a captioner, to see what it says before a run.",
        discussion: """
            Decodes as a run does: a file whose name is a sample's key gets that sample's captions if seed \
            and settings are the manifest's. What no flag changes comes from the package's own decoding. The \
            package's files and its probe are checked first.

              bolster caption --model manifests/demo/models/captioner-a photo.jpg --count 5 --seed 7
              bolster caption --model models/coca-vit-l-14 photo.jpg --greedy
            """)

    @OptionGroup var options: ModelOptions

    @Argument(help: "Image files: JPEG, PNG or WebP.")
    var images: [String]

    @Option(help: "Captions per image.")
    var count = 1

    @Option(help: "The manifest's seed.")
    var seed: UInt64 = 0

    @Flag(help: "Always the most probable token, instead of the package's way of decoding.")
    var greedy = false

    @Option(help: "Draw among the most probable tokens that reach this probability together.")
    var topP: Double?

    @Option(help: "Draw among so many most probable tokens.")
    var topK: Int?

    @Option(help: "Divides the logits before the draw.")
    var temperature: Double?

    @Option(help: "Tokens below which no text ends, the start token included.")
    var minLength: Int?

    @Option(help: "Tokens at which a text is ended, start and end included.")
    var maxLength: Int?

    @Option(help: "Divides positive and multiplies negative logits of tokens that the text already has.")
    var repetitionPenalty: Double?

    @Option(help: "What is kept: first_sentence or everything.")
    var keep = CaptionKeeping.firstSentence

    @Option(help: "Captions decoded side by side.")
    var batch = 64

    @Option(help: "Megabytes that captions decoded side by side may take; fewer are, if need be.")
    var cacheMemory: Int?

    @Option(help: "A JSON file for all captions: by image, a list.")
    var out: String?

    @Option(help: .init("A JSON file for times and counts.", visibility: .hidden))
    var report: String?

    func validate() throws {
        if images.isEmpty { throw ValidationError("name image files") }
        if count < 1 { throw ValidationError("--count takes a number from 1, not \(count)") }
        if batch < 1 { throw ValidationError("--batch takes a number from 1, not \(batch)") }
        if greedy, count > 1 { throw ValidationError("greedy captions are all the same: leave out --count") }
        if greedy, topP != nil || topK != nil {
            throw ValidationError("--greedy draws nothing: leave out --top-p and --top-k")
        }
        if topP != nil, topK != nil { throw ValidationError("give --top-p or --top-k, not both") }
        if let cacheMemory, cacheMemory < 1 {
            throw ValidationError("--cache-memory takes megabytes from 1, not \(cacheMemory)")
        }
    }

    func run() throws {
        try reporting {
            let package = try options.package(.captioner)
            let decoding = try decoding(package)
            let captioner = try Captioner(
                package, runtime: try InferenceRuntime.locate(), device: try Device(parsing: options.device),
                threads: options.threadCount, cacheMemory: cacheMemory.map { $0 << 20 })
            try captioner.runProbe()
            let loaded = try ModelImages(files: images, package: package)
            let watch = UsageWatch(captioner)
            let captions = try loaded.pixels.withUnsafeBufferPointer { pixels in
                try captioner.captions(
                    pixels: pixels, keys: images.map(Self.key), captionsPerImage: count, seed: seed,
                    decoding: decoding, keep: keep, batch: batch)
            }
            if let report { try watch.write(to: absolutePath(report), captioner) }
            for (file, texts) in zip(images, captions) {
                print(file)
                for text in texts { print("  \(text)") }
            }
            if let out { try save(captions, to: absolutePath(out)) }
            return .done
        }
    }

    private func save(_ captions: [[String]], to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let byImage = Dictionary(zip(images, captions)) { first, _ in first }
        try encoder.encode(byImage).write(to: URL(fileURLWithPath: path))
    }

    private func decoding(_ package: ModelPackage) throws -> CaptionDecoding {
        guard let shape = package.captioner else { throw CommandError("\(options.model) holds no captioner") }
        var decoding = shape.decoding
        if greedy { decoding.method = .greedy }
        if let topP { (decoding.method, decoding.topP) = (.topP, topP) }
        if let topK { (decoding.method, decoding.topK) = (.topK, topK) }
        if let repetitionPenalty { decoding.repetitionPenalty = repetitionPenalty }
        if let temperature { decoding.temperature = temperature }
        if let minLength { decoding.minLength = minLength }
        if let maxLength { decoding.maxLength = maxLength }
        try decoding.validate(maximumLength: shape.maximumLength)
        return decoding
    }

    /// What the file's sample would be called: its name up to the first dot.
    private static func key(of file: String) -> String {
        let name = (file as NSString).lastPathComponent
        return name.split(separator: ".", omittingEmptySubsequences: false).first.map { String($0) } ?? name
    }
}

extension CaptionKeeping: ExpressibleByArgument {}

/// Times and counts of one call, for tools/benchmarks/captions.py.
private struct UsageWatch {
    private let started = ContinuousClock.now
    private let cpuBefore = ProcessTime.seconds
    private let before: Captioner.Usage

    init(_ captioner: Captioner) { before = captioner.usage }

    func write(to path: String, _ captioner: Captioner) throws {
        let elapsed = (ContinuousClock.now - started) / .seconds(1)
        let usage = captioner.usage
        let values: [String: Double] = [
            "wall_seconds": elapsed, "cpu_seconds": ProcessTime.seconds - cpuBefore,
            "steps": Double(usage.steps - before.steps), "rows": Double(usage.rows - before.rows),
            "shared_rows": Double(usage.sharedRows - before.sharedRows),
        ]
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        try encoder.encode(values).write(to: URL(fileURLWithPath: path))
    }
}
