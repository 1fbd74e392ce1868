import BolsterAugmentation
import BolsterDataset
import Foundation

/// Everything that a report says, counted from a dataset's samples; `ReportPage` turns it into HTML.
package struct ReportContents {
    package struct Limits: Sendable {
        /// Samples that are counted, spread over the shards.
        package var samples = 2_000
        /// Samples that are shown.
        package var gallery = 12

        package init() {}
    }

    /// A sample of the gallery.
    struct Shown {
        let sample: ReportSample
        /// A data URI; nil without an image that can be shown.
        let picture: String?
        /// In the image's pixels; zero without an image.
        let width: Int
        let height: Int
        let boxes: [(top: Double, left: Double, height: Double, width: Double)]
    }

    /// Larger images are shown scaled down.
    static let pictureBytesMax = 300_000
    private static let pictureSide = 320

    let dataset: ReportDataset
    private(set) var samples = 0
    private(set) var shards = 0
    private(set) var captions: [CaptionStatistics]
    private(set) var views: ViewStatistics?
    private(set) var shown: [Shown] = []
    private(set) var imageFormats: [String: Int] = [:]
    package var cost: RunCost?

    /// Reads as many samples as the limits ask for, the same ones each time.
    package init(_ dataset: ReportDataset, limits: Limits = Limits()) throws(ReportError) {
        self.dataset = dataset
        captions = ([ReportSample.ownColumn] + dataset.columns).map { CaptionStatistics(column: $0) }
        views = dataset.augmentation.map { ViewStatistics($0) }
        // At most 64 shards, evenly spread: opening each costs more than reading on in one.
        let chosen = Self.spread(dataset.shards.filter { $0.samples > 0 }, 64)
        let perShard = max(1, (limits.samples + max(1, chosen.count) - 1) / max(1, chosen.count))
        let every = max(
            1,
            min(limits.samples, chosen.reduce(0) { $0 + min($1.samples, perShard) }) / max(1, limits.gallery))
        for shard in chosen where samples < limits.samples {
            shards += 1
            try dataset.read(shard, limit: min(perShard, limits.samples - samples)) { sample in
                add(sample, isShown: samples % every == 0 && shown.count < limits.gallery)
                return true
            }
        }
    }

    private static func spread<Element>(_ all: [Element], _ most: Int) -> [Element] {
        guard all.count > most else { return all }
        return (0..<most).map { all[$0 * all.count / most] }
    }

    private mutating func add(_ sample: ReportSample, isShown: Bool) {
        samples += 1
        for texts in sample.texts {
            guard let place = captions.firstIndex(where: { $0.column == texts.column }) else { continue }
            captions[place].add(texts)
        }
        let image = sample.image.flatMap(Self.decoded)
        if let image {
            imageFormats[image.format.rawValue, default: 0] += 1
            views?.add(sample, width: image.width, height: image.height)
        }
        if isShown { shown.append(show(sample, image)) }
    }

    private func show(_ sample: ReportSample, _ image: DecodedImage?) -> Shown {
        guard let image, let bytes = sample.image else {
            return Shown(sample: sample, picture: nil, width: 0, height: 0, boxes: [])
        }
        let boxes = sample.views.compactMap { view in
            dataset.augmentation?.cropBox(of: view, width: image.width, height: image.height)
        }
        return Shown(
            sample: sample, picture: Self.picture(bytes, image), width: image.width, height: image.height,
            boxes: boxes)
    }

    /// Nil for what the decoder does not take: the merge keeps such images where no stage needs them.
    private static func decoded(_ bytes: [UInt8]) -> DecodedImage? {
        let outcome = bytes.withUnsafeBytes { pointer in
            Result { () throws(AugmentationError) in try DecodedImage(decoding: pointer) }
        }
        guard case .success(let image) = outcome else { return nil }
        return image
    }

    /// The image as it is, or a smaller one of the same shape where it would make the report heavy.
    private static func picture(_ bytes: [UInt8], _ image: DecodedImage) -> String? {
        let kind = image.format.rawValue
        if bytes.count <= pictureBytesMax {
            return "data:image/\(kind);base64,\(Data(bytes).base64EncodedString())"
        }
        var configuration = AugmentationConfiguration()
        let scale = Double(pictureSide) / Double(max(image.width, image.height))
        configuration.resize = .init(
            target: .exactly(
                .init(
                    height: max(1, Int(Double(image.height) * scale)),
                    width: max(1, Int(Double(image.width) * scale)))), interpolation: .bicubic)
        let resizing = Augmentation(configuration)
        let size = resizing.viewSize(width: image.width, height: image.height)
        var pixels = [UInt8](repeating: 0, count: size.height * size.width * 3)
        let whole = resizing.sample(width: image.width, height: image.height, seed: 0, key: "", view: 0)
        let outcome = pixels.withUnsafeMutableBytes { view in
            Result { () throws(AugmentationError) in try resizing.reapply(whole, to: image, into: view) }
        }
        guard case .success = outcome else { return nil }
        do throws(AugmentationError) {
            let png = try PNGFile.encode(pixels, width: size.width, height: size.height)
            return "data:image/png;base64,\(Data(png).base64EncodedString())"
        } catch {
            return nil
        }
    }
}
