import ArgumentParser
import BolsterAugmentation
import BolsterInference
import BolsterWorker
import Foundation

/// What the verbs that try a model take: which one, and where it computes.
struct ModelOptions: ParsableArguments {
    @Option(help: "The model package: a folder, or a URL (file, s3, https), which is fetched and verified.")
    var model: String

    @Option(
        help: .init(
            "Folder for the verified copy of a package from a URL.",
            discussion: "Default: bolster below $XDG_CACHE_HOME or ~/.cache.", valueName: "dir"))
    var cache: String?

    @Option(help: "Where the model computes: cpu or cuda:N.")
    var device = "cpu"

    @Option(help: "CPU threads. Default: all cores.")
    var threads: Int?

    func validate() throws {
        if let threads, threads < 1 {
            throw ValidationError("--threads takes a number from 1, not \(threads)")
        }
        do {
            _ = try Device(parsing: device)
        } catch {
            throw ValidationError("--device: \(error)")
        }
    }

    var threadCount: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }

    /// The package, its files proved against their digests.
    func package(_ kind: ModelPackage.Kind) throws -> ModelPackage {
        let location = model.contains("://") ? model : absolutePath(model)
        let package = try PackageSource(location).open(cache: cache.map(absolutePath))
        guard package.kind == kind else {
            let found = package.kind.rawValue
            throw CommandError("\(model) holds a \(found); this verb takes a \(kind.rawValue)")
        }
        try package.verifyFiles()
        return package
    }
}

/// Image files brought to a model's input.
struct ModelImages {
    /// [N, 3, S, S], normalised.
    let pixels: [Float]
    let count: Int

    /// Decodes, resizes and cuts each file as the package says, without any augmentation.
    init(files: [String], package: ModelPackage) throws {
        let transform = package.evaluationTransform
        let normalizer = PixelNormalizer(mean: package.mean, std: package.std)
        let size = package.imageSize
        var view = [UInt8](repeating: 0, count: 3 * size * size)
        var pixels = [Float](repeating: 0, count: files.count * 3 * size * size)
        for (index, file) in files.enumerated() {
            let bytes: Data
            do {
                bytes = try Data(contentsOf: URL(fileURLWithPath: absolutePath(file)))
            } catch {
                throw CommandError("\(file) cannot be read: \(error.localizedDescription)")
            }
            do {
                let image = try bytes.withUnsafeBytes { try DecodedImage(decoding: $0) }
                view.withUnsafeMutableBytes { transform.apply(to: image, into: $0) }
            } catch {
                throw CommandError("\(file): \(error)")
            }
            pixels.withUnsafeMutableBufferPointer { pixels in
                guard let base = pixels.baseAddress else { return }
                view.withUnsafeBytes {
                    normalizer.tensor(
                        fromView: $0, height: size, width: size, into: base + index * 3 * size * size)
                }
            }
        }
        self.pixels = pixels
        count = files.count
    }
}
