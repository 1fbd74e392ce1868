import CPixelKernels

/// 256 values for each of the three channels: what an operation makes of a value, where that depends on
/// nothing but the value (and, for some, on the image's histogram).
struct ToneTable {
    var values: [UInt8]

    init(_ body: (_ channel: Int, _ value: Int) -> UInt8) {
        values = (0..<768).map { body($0 / 256, $0 % 256) }
    }

    /// `ImageEnhance.Brightness` and `.Contrast`: a mixture with one level.
    init(blendingLevel level: UInt8, factor: Double) {
        let alpha = Float(factor)
        self.init { _, value in pixel_blend_value(level, UInt8(value), alpha) }
    }

    /// `ImageOps.posterize`: keeps the upper `bits`, 1 to 8.
    init(posterizingTo bits: Int) {
        self.init { _, value in UInt8(value & ~((1 << (8 - bits)) - 1)) }
    }

    /// `ImageOps.solarize`: inverts from `threshold` on.
    init(solarizingFrom threshold: Double) {
        self.init { _, value in UInt8(Double(value) < threshold ? value : 255 - value) }
    }

    /// `ImageOps.autocontrast`: stretches each channel to its full range.
    init(autoContrastOf histogram: [UInt32]) {
        let ranges = (0..<3).map { channel -> (low: Int, high: Int) in
            let counts = histogram[channel * 256..<channel * 256 + 256]
            let low = counts.firstIndex { $0 > 0 } ?? counts.startIndex
            let high = counts.lastIndex { $0 > 0 } ?? counts.startIndex
            return (low - channel * 256, high - channel * 256)
        }
        self.init { channel, value in
            let (low, high) = ranges[channel]
            guard high > low else { return UInt8(value) }
            let scale = 255.0 / Double(high - low)
            let offset = Double(-low) * scale
            return UInt8(min(max(Int(Double(value) * scale + offset), 0), 255))
        }
    }

    /// `ImageOps.equalize`: spreads each channel's values evenly.
    init(equalizing histogram: [UInt32]) {
        var tables = [UInt8](repeating: 0, count: 768)
        for channel in 0..<3 {
            let counts = histogram[channel * 256..<channel * 256 + 256].map(Int.init)
            let occupied = counts.filter { $0 > 0 }
            let step = occupied.count > 1 ? (occupied.reduce(0, +) - (occupied.last ?? 0)) / 255 : 0
            var sum = step / 2
            for value in 0..<256 {
                tables[channel * 256 + value] = step == 0 ? UInt8(value) : UInt8(min(sum / step, 255))
                sum += counts[value]
            }
        }
        values = tables
    }

    func apply(to pixels: UnsafeMutablePointer<UInt8>, count: Int) { pixel_look_up(pixels, count, values) }

    static func histogram(of pixels: UnsafePointer<UInt8>, count: Int) -> [UInt32] {
        [UInt32](unsafeUninitializedCapacity: 768) { buffer, written in
            pixel_histogram(pixels, count, buffer.baseAddress)
            written = 768
        }
    }
}
