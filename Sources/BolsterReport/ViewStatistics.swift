import BolsterAugmentation
import BolsterDataset
import Foundation

/// How the stored views are distributed, beside how they should be: what is expected is drawn anew by the
/// same sampler for the same image sizes, with other keys, several times as often. A closed form would be
/// wrong wherever an image's own shape limits its crops.
struct ViewStatistics {
    static let operations = [
        "identity", "shear x", "shear y", "translate x", "translate y", "rotate", "brightness", "color",
        "contrast", "sharpness", "posterize", "solarize", "auto contrast", "equalize",
    ]
    /// Views drawn for each stored one.
    static let drawsPerView = 4

    /// One set of distributions: of what is stored, or of what is expected.
    struct Distributions: Equatable {
        /// Of the crop, as a share of the image.
        var area = Histogram(0...1, bins: 20)
        /// Width by height of the crop, its binary logarithm.
        var aspect = Histogram(-0.5...0.5, bins: 20)
        /// The crop's middle, as a share of the image's width and height.
        var middleX = Histogram(0...1, bins: 20)
        var middleY = Histogram(0...1, bins: 20)
        var operations = [Int](repeating: 0, count: ViewStatistics.operations.count)
        var flips = (yes: 0, no: 0)
        var views = 0

        static func == (left: Distributions, right: Distributions) -> Bool {
            left.area == right.area && left.aspect == right.aspect && left.middleX == right.middleX
                && left.middleY == right.middleY && left.operations == right.operations
                && left.flips == right.flips && left.views == right.views
        }
    }

    private(set) var stored = Distributions()
    private(set) var expected = Distributions()
    let augmentation: Augmentation

    init(_ augmentation: Augmentation) { self.augmentation = augmentation }

    mutating func add(_ sample: ReportSample, width: Int, height: Int) {
        for view in sample.views {
            Self.add(view, to: &stored, augmentation, width: width, height: height)
        }
        for draw in 0..<(sample.views.count * Self.drawsPerView) {
            let view = augmentation.sample(
                width: width, height: height, seed: 0, key: "expected/\(sample.key)", view: draw)
            Self.add(view, to: &expected, augmentation, width: width, height: height)
        }
    }

    private static func add(
        _ view: AugmentationParameters, to sums: inout Distributions, _ augmentation: Augmentation,
        width: Int,
        height: Int
    ) {
        sums.views += 1
        if let box = augmentation.cropBox(of: view, width: width, height: height), box.height > 0,
            box.width > 0
        {
            let (w, h) = (Double(width), Double(height))
            sums.area.add(box.width * box.height / (w * h))
            sums.aspect.add(log2(box.width / box.height))
            sums.middleX.add((box.left + box.width / 2) / w)
            sums.middleY.add((box.top + box.height / 2) / h)
        }
        for (name, value) in zip(augmentation.parameterNames, view.values) {
            switch (name, value) {
            case ("random_horizontal_flip", .flag(let flag)):
                if flag { sums.flips.yes += 1 } else { sums.flips.no += 1 }
            case ("rand_augment", .list(let drawn)):
                for operation in drawn {
                    guard case .list(let pair) = operation, case .integer(let number)? = pair.first,
                        sums.operations.indices.contains(number)
                    else { continue }
                    sums.operations[number] += 1
                }
            default: break
            }
        }
    }

    /// The greatest difference between stored and expected cumulative shares (Kolmogorov and Smirnov's), and
    /// the one that chance exceeds once in a thousand times. Views of one image are drawn independently, so
    /// each counts.
    static func difference(_ stored: Histogram, _ expected: Histogram) -> (found: Double, limit: Double)? {
        let (n, m) = (Double(stored.total), Double(expected.total))
        guard n > 0, m > 0 else { return nil }
        var (a, b, most) = (0.0, 0.0, 0.0)
        for (left, right) in zip(stored.shares, expected.shares) {
            a += left
            b += right
            most = max(most, abs(a - b))
        }
        return (most, 1.95 * ((n + m) / (n * m)).squareRoot())
    }
}
