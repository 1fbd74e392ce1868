import BolsterDataset
import CPixelKernels
import Glibc

/// The fourteen operations of torchvision's RandAugment, by the numbers that stored parameters use.
enum RandAugmentOperation: Int, CaseIterable {
    case identity, shearX, shearY, translateX, translateY, rotate, brightness, color, contrast, sharpness,
        posterize,
        solarize, autoContrast, equalize

    /// Whether a coin decides the magnitude's sign.
    var isSigned: Bool {
        switch self {
        case .shearX, .shearY, .translateX, .translateY, .rotate, .brightness, .color, .contrast, .sharpness:
            true
        case .identity, .posterize, .solarize, .autoContrast, .equalize: false
        }
    }

    /// The magnitude of step `index` of `bins`, on a view of `size`: torchvision's single-precision value.
    func magnitude(_ index: Int, of bins: Int, size: AugmentationConfiguration.Size) -> Double {
        switch self {
        case .identity, .autoContrast, .equalize: return 0
        case .shearX, .shearY: return Self.step(index, of: bins, from: 0, to: 0.3)
        case .translateX: return Self.step(index, of: bins, from: 0, to: 150.0 / 331.0 * Double(size.width))
        case .translateY: return Self.step(index, of: bins, from: 0, to: 150.0 / 331.0 * Double(size.height))
        case .rotate: return Self.step(index, of: bins, from: 0, to: 30)
        case .brightness, .color, .contrast, .sharpness: return Self.step(index, of: bins, from: 0, to: 0.9)
        case .posterize:
            let width = Float(Double(bins - 1) / 4)
            return 8 - Double((Float(index) / width).rounded(.toNearestOrEven))
        case .solarize: return Self.step(index, of: bins, from: 255, to: 0)
        }
    }

    /// `torch.linspace(start, end, bins)[index]` in single precision: counted from the nearer end,
    /// product and sum rounded at once.
    private static func step(_ index: Int, of bins: Int, from start: Float, to end: Double) -> Double {
        guard bins > 1 else { return Double(start) }
        let end = Float(end)
        let step = (end - start) / Float(bins - 1)
        return index < bins / 2
            ? Double(start.addingProduct(step, Float(index)))
            : Double(end.addingProduct(-step, Float(bins - index - 1)))
    }
}

/// A 3 × 2 matrix from the output's pixels to the input's, as Pillow's AFFINE takes it.
struct AffineMatrix {
    var values: (Double, Double, Double, Double, Double, Double)

    /// torchvision's `affine` with angle 0 and scale 1: sheared by degrees, moved by pixels, about a centre.
    /// Each expression keeps torchvision's order of operations.
    init(
        shearX: Double = 0, shearY: Double = 0, moveX: Double = 0, moveY: Double = 0,
        centre: (x: Double, y: Double)
    ) {
        let sx = shearX * (Double.pi / 180)
        let sy = shearY * (Double.pi / 180)
        let a = cos(0 - sy) / cos(sy)
        let b = -cos(0 - sy) * tan(sx) / cos(sy) - sin(0.0)
        let c = sin(0 - sy) / cos(sy)
        let d = -sin(0 - sy) * tan(sx) / cos(sy) + cos(0.0)
        values = (d, -b, 0, -c, a, 0)
        values.2 += values.0 * (-centre.x - moveX) + values.1 * (-centre.y - moveY)
        values.5 += values.3 * (-centre.x - moveX) + values.4 * (-centre.y - moveY)
        values.2 += centre.x
        values.5 += centre.y
    }

    /// A shear as RandAugment means it: the magnitude is the tangent.
    static func degrees(ofTangent magnitude: Double) -> Double { atan(magnitude) * (180 / Double.pi) }
}
