import CPixelKernels

/// 256 values for each of the three channels: what an operation makes of a value, where that depends on
/// nothing but the value (and, for some, on the image's range or histogram). Lives on the stack while it is
/// filled and applied.
struct ToneTable {
    /// 768 bytes: red, then green, then blue.
    private let values: UnsafeMutablePointer<UInt8>

    /// Lets `fill` write the table, then applies it to `count` pixels.
    static func apply(
        to pixels: UnsafeMutablePointer<UInt8>, count: Int, _ fill: (borrowing ToneTable) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 768) { values in
            guard let base = values.baseAddress else { return }
            fill(ToneTable(values: base))
            pixel_look_up(pixels, count, base)
        }
    }

    /// The same value for all channels.
    private func fill(_ body: (_ value: Int) -> UInt8) {
        for value in 0..<256 {
            let result = body(value)
            values[value] = result
            values[256 + value] = result
            values[512 + value] = result
        }
    }

    /// `ImageEnhance.Brightness` and `.Contrast`: a mixture with one level.
    func blend(level: UInt8, factor: Double) {
        let alpha = Float(factor)
        fill { pixel_blend_value(level, UInt8($0), alpha) }
    }

    /// `ImageOps.posterize`: keeps the upper `bits`, 1 to 8.
    func posterize(to bits: Int) {
        let mask = ~((1 << (8 - bits)) - 1)
        fill { UInt8($0 & mask) }
    }

    /// `ImageOps.solarize`: inverts from `threshold` on.
    func solarize(from threshold: Double) {
        fill { UInt8(Double($0) < threshold ? $0 : 255 - $0) }
    }

    /// `ImageOps.autocontrast`: stretches each channel of these pixels to its full range.
    func autoContrast(of pixels: UnsafePointer<UInt8>, count: Int) {
        var low: (UInt8, UInt8, UInt8) = (0, 0, 0)
        var high: (UInt8, UInt8, UInt8) = (0, 0, 0)
        withUnsafeMutableBytes(of: &low) { low in
            withUnsafeMutableBytes(of: &high) { high in
                pixel_ranges(
                    pixels, count, low.bindMemory(to: UInt8.self).baseAddress,
                    high.bindMemory(to: UInt8.self).baseAddress)
            }
        }
        stretch(channel: 0, low.0, high.0)
        stretch(channel: 1, low.1, high.1)
        stretch(channel: 2, low.2, high.2)
    }

    private func stretch(channel: Int, _ low: UInt8, _ high: UInt8) {
        let scale = high > low ? 255.0 / Double(high - low) : 1
        let offset = high > low ? -Double(low) * scale : 0
        for value in 0..<256 {
            let stretched = Int(Double(value) * scale + offset)
            values[channel * 256 + value] = UInt8(min(max(stretched, 0), 255))
        }
    }

    /// `ImageOps.equalize`: spreads each channel's values of these pixels evenly.
    func equalize(_ pixels: UnsafePointer<UInt8>, count: Int) {
        // Temporary allocations of more than a kilobyte come from the heap.
        var histogram = InlineArray<768, UInt32>(repeating: 0)
        var span = histogram.mutableSpan
        span.withUnsafeMutableBufferPointer { pixel_histogram(pixels, count, $0.baseAddress) }
        for channel in 0..<3 {
            var occupied = 0
            var last = 0
            for value in 0..<256 where histogram[channel * 256 + value] > 0 {
                occupied += 1
                last = Int(histogram[channel * 256 + value])
            }
            let step = occupied > 1 ? (count - last) / 255 : 0
            var sum = step / 2
            for value in 0..<256 {
                values[channel * 256 + value] = step == 0 ? UInt8(value) : UInt8(min(sum / step, 255))
                sum += Int(histogram[channel * 256 + value])
            }
        }
    }
}
