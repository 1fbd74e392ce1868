import ArgumentParser
import BolsterAugmentation
import BolsterDataset
import BolsterStorage
import Foundation

struct Views: ParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case png, npy
    }

    static let configuration = CommandConfiguration(
        abstract: "Show the views that an augmentation makes of images.",
        discussion: """
            For each image, named after its file without the extension, DIR gets NAME.<i>.png per view \
            (or NAME.<i>.npy: the normalised tensor, [3, height, width] float32), NAME.paug.json with the \
            parameters, and NAME.sheet.png, the image with the crop boxes and the views. The pixels are \
            those of Pillow and torchvision with the same parameters.

              bolster views cat.jpg --config augmentation.json --count 10 --out views
              bolster views cat.jpg --config augmentation.json --params cat.paug.json --out again
            """)

    @Argument(help: "JPEG, PNG or WebP files.")
    var images: [String]

    @Option(help: "The trainer's augmentation configuration, JSON or YAML.")
    var config: String

    @Option(help: "How many views are drawn of each image.")
    var count = 10

    @Option(help: "Draws other views for another seed.")
    var seed: UInt64 = 0

    @Option(
        help:
            "Reapply the parameters of this file (a param_aug list, string or object) instead of drawing any."
    )
    var params: String?

    @Option(help: "The folder to write to; made if it is not there.")
    var out: String

    @Option(help: "png: the 8-bit view; npy: the normalised tensor.")
    var format = Format.png

    func validate() throws {
        if count < 1 { throw ValidationError("--count is \(count), at least 1 view is drawn") }
        let names = images.map(Self.name)
        if let twice = names.first(where: { name in names.filter { $0 == name }.count > 1 }) {
            throw ValidationError(
                "two images are called '\(twice)', and one would overwrite the other's views")
        }
    }

    func run() throws {
        try reporting {
            let text = try Self.text(config)
            let configuration = try AugmentationConfiguration.parse(text, file: config)
            let stored = try params.map { try AugmentationParameters.list(parsing: Self.text($0)) }
            let augmentation = Augmentation(configuration)
            let store = ObjectStore(root: absolutePath(out))
            var skipped = 0
            for image in images {
                do {
                    try write(image, augmentation, stored, store)
                } catch let error as AugmentationError {
                    Terminal.note("\(image): skipped, \(error.skipReason): \(error.message)")
                    skipped += 1
                }
            }
            return skipped == 0 ? .done : .faulty
        }
    }

    private func write(
        _ file: String, _ augmentation: Augmentation, _ stored: [AugmentationParameters]?,
        _ store: ObjectStore
    ) throws {
        let name = Self.name(file)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: absolutePath(file)))
        let image = try bytes.withUnsafeBytes { try DecodedImage(decoding: $0) }
        if image.truncated { Terminal.note("\(file): cut or damaged, decoded as far as it goes") }
        let parameters =
            stored
            ?? (0..<count).map {
                augmentation.sample(width: image.width, height: image.height, seed: seed, key: name, view: $0)
            }
        let size = augmentation.viewSize(width: image.width, height: image.height)
        var views: [[UInt8]] = []
        for (index, drawn) in parameters.enumerated() {
            var view = [UInt8](repeating: 0, count: size.height * size.width * 3)
            try view.withUnsafeMutableBytes { try augmentation.reapply(drawn, to: image, into: $0) }
            switch format {
            case .png:
                try store.write(
                    "\(name).\(index).png", PNGFile.encode(view, width: size.width, height: size.height))
            case .npy:
                try store.write("\(name).\(index).npy", Self.tensor(view, size, augmentation.configuration))
            }
            views.append(view)
        }
        try store.write("\(name).paug.json", Array("{\"param_aug\": \(encodeParamAug(parameters))}\n".utf8))
        let sheet = try ContactSheet(
            of: image, augmentation: augmentation, parameters: parameters, views: views, size: size)
        try store.write(
            "\(name).sheet.png", PNGFile.encode(sheet.pixels, width: sheet.width, height: sheet.height))
        let sizes = "\(views.count) views of \(size.width)×\(size.height)"
        print("\(file): \(image.width)×\(image.height), \(sizes)")
    }

    /// The view as a model reads it: scaled to 0…1, and normalised where the configuration normalises.
    private static func tensor(
        _ view: [UInt8], _ size: AugmentationConfiguration.Size, _ configuration: AugmentationConfiguration
    ) -> [UInt8] {
        let normalizer = PixelNormalizer(
            mean: configuration.normalize?.mean ?? [0, 0, 0], std: configuration.normalize?.std ?? [1, 1, 1])
        var values = [Float](repeating: 0, count: view.count)
        values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            view.withUnsafeBytes {
                normalizer.tensor(fromView: $0, height: size.height, width: size.width, into: base)
            }
        }
        return NumPyTensor.encode(values, shape: [3, size.height, size.width])
    }

    private static func name(_ file: String) -> String {
        let last = (file as NSString).lastPathComponent
        return (last as NSString).deletingPathExtension
    }

    private static func text(_ file: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: absolutePath(file))), as: UTF8.self)
    }
}
