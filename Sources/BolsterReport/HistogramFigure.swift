/// A histogram as SVG: bars of what was found, and a line of steps for what is expected.
struct HistogramFigure {
    private static let width = 300.0
    private static let height = 120.0
    private static let foot = 18.0

    let title: String
    let note: String
    /// Shares of the bins.
    let found: [Double]
    var expected: [Double] = []
    /// Below the axis, evenly spread from its beginning to its end.
    let marks: [String]
    /// One for each bin, for the pointer; may be empty.
    var names: [String] = []

    var html: String {
        let most = max(found.max() ?? 0, expected.max() ?? 0, 1e-9)
        let step = Self.width / Double(max(1, found.count))
        let floor = Self.height - Self.foot
        func y(_ share: Double) -> Double { floor - share / most * (floor - 6) }
        func place(_ value: Double) -> String { NumberText.fixed(value, 1).replacing(",", with: "") }
        var svg = "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" "
        svg += "aria-label=\"\(HTMLText.escaped(title))\">"
        for (bin, share) in found.enumerated() {
            let top = y(share)
            svg += "<rect class=\"bin\" x=\"\(place(Double(bin) * step + 0.75))\" y=\"\(place(top))\" "
            svg += "width=\"\(place(max(0.5, step - 1.5)))\" height=\"\(place(max(0, floor - top)))\">"
            let name = names.indices.contains(bin) ? names[bin] + ": " : ""
            svg += "<title>\(HTMLText.escaped(name))\(NumberText.percent(share))</title></rect>"
        }
        if !expected.isEmpty {
            let steps = expected.enumerated().map { bin, share in
                let (left, right) = (Double(bin) * step, Double(bin + 1) * step)
                return "\(place(left)),\(place(y(share)))L\(place(right)),\(place(y(share)))"
            }
            svg += "<path class=\"expected\" d=\"M\(steps.joined(separator: "L"))\"/>"
        }
        svg += "<path class=\"axis\" d=\"M0,\(place(floor))H\(Int(Self.width))\"/>"
        for (index, mark) in marks.enumerated() {
            let part = marks.count < 2 ? 0 : Double(index) / Double(marks.count - 1)
            let anchor = index == 0 ? "start" : index == marks.count - 1 ? "end" : "middle"
            svg += "<text x=\"\(place(part * Self.width))\" y=\"\(place(Self.height - 4))\" "
            svg += "text-anchor=\"\(anchor)\">\(HTMLText.escaped(mark))</text>"
        }
        return "<figure class=\"histogram\"><figcaption><b>\(HTMLText.escaped(title))</b> "
            + "<span class=\"quiet\">\(HTMLText.escaped(note))</span></figcaption>\(svg)</svg></figure>"
    }
}
