import BolsterDataset
import BolsterDeterminism
import CPixelKernels

/// The trainer's augmentation of one configuration: draws a view's parameters, and turns an image and
/// parameters into the view's pixels, byte for byte what Pillow and torchvision make of them.
///
/// The transforms run in the trainer's order, whatever the configuration's:
///
///     resize, center_crop, random_crop, random_resized_crop     from any size to the view's size
///     random_horizontal_flip, rand_augment, random_erase        on the view
///
/// `uint8`, `to_rgb` and `to_tensor` change no 8-bit pixel, `normalize` is the trainer's own; each teacher
/// normalises a view as its package says (`PixelNormalizer`). Erasing writes zeros before normalisation, as
/// the trainer does, so that an 8-bit view holds it too.
package struct Augmentation: Sendable {
    package let configuration: AugmentationConfiguration
    let workspaces = WorkspacePool()

    /// Which transforms leave parameters, in order: what the values of `AugmentationParameters` mean.
    package let parameterNames: [String]

    package init(_ configuration: AugmentationConfiguration) {
        self.configuration = configuration
        let present = [
            ("resize", configuration.resize != nil), ("random_crop", configuration.randomCrop != nil),
            ("random_resized_crop", configuration.randomResizedCrop != nil),
            ("random_horizontal_flip", configuration.horizontalFlip != nil),
            ("rand_augment", configuration.randAugment != nil),
            ("random_erase", configuration.randomErase != nil),
        ]
        parameterNames = present.filter(\.1).map(\.0)
    }

    /// The size of a view of an image of that size.
    package func viewSize(width: Int, height: Int) -> AugmentationConfiguration.Size {
        var size = AugmentationConfiguration.Size(height: height, width: width)
        if let resize = configuration.resize { size = resize.size(from: size) }
        return configuration.randomResizedCrop?.size ?? configuration.randomCrop?.size
            ?? configuration.centerCrop ?? size
    }
}

extension AugmentationConfiguration.Resize {
    /// What torchvision's `resize` makes of an image of that size.
    func size(from size: AugmentationConfiguration.Size) -> AugmentationConfiguration.Size {
        switch target {
        case .exactly(let exact): return exact
        case .shorterSide(let short):
            let longer = Int(
                Double(short) * Double(max(size.width, size.height)) / Double(min(size.width, size.height)))
            return size.width <= size.height
                ? AugmentationConfiguration.Size(height: longer, width: short)
                : AugmentationConfiguration.Size(height: short, width: longer)
        }
    }
}

extension AugmentationConfiguration.Interpolation {
    var filter: pixel_filter {
        switch self {
        case .nearest: PIXEL_NEAREST
        case .box: PIXEL_BOX
        case .bilinear: PIXEL_BILINEAR
        case .hamming: PIXEL_HAMMING
        case .bicubic: PIXEL_BICUBIC
        case .lanczos: PIXEL_LANCZOS
        }
    }
}
