/// HTML as it grows; everything that comes from a dataset goes through `text`.
struct HTMLText {
    private(set) var html = ""

    /// Markup of ours.
    mutating func raw(_ markup: String) { html += markup + "\n" }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            // What no XML or HTML may hold.
            case _ where scalar.value < 32 && scalar != "\n" && scalar != "\t": escaped += " "
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    mutating func heading(_ text: String, note: String = "") {
        raw("<h2>\(Self.escaped(text))</h2>")
        if !note.isEmpty { raw("<p class=\"quiet\">\(Self.escaped(note))</p>") }
    }

    /// - Parameter numbers: columns that hold numbers.
    mutating func table(_ columns: [String], numbers: Set<Int>, rows: [[String]]) {
        func cell(_ tag: String, _ index: Int, _ text: String) -> String {
            "<\(tag)\(numbers.contains(index) ? " class=\"number\"" : "")>\(Self.escaped(text))</\(tag)>"
        }
        func row(_ tag: String, _ cells: [String]) -> String {
            "<tr>\(cells.enumerated().map { cell(tag, $0, $1) }.joined())</tr>"
        }
        raw("<div class=\"scroll\"><table><thead>\(row("th", columns))</thead><tbody>")
        for cells in rows { raw(row("td", cells)) }
        raw("</tbody></table></div>")
    }
}

/// Numbers as a person reads them.
enum NumberText {
    /// "1,280,000".
    static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (value < 0 ? "−" : "") + text
    }

    static func fixed(_ value: Double, _ places: Int) -> String {
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = Int((value * scale).rounded().magnitude)
        let whole = count(scaled / Int(scale))
        let sign = value < 0 && scaled > 0 ? "−" : ""
        guard places > 0 else { return sign + whole }
        let rest = String(scaled % Int(scale))
        return "\(sign)\(whole).\(String(repeating: "0", count: places - rest.count))\(rest)"
    }

    /// With the digits that tell something of a small sum.
    static func money(_ value: Double) -> String {
        fixed(value, value >= 1000 ? 0 : value >= 1 || value == 0 ? 2 : 4)
    }

    static func percent(_ part: Double) -> String { "\(fixed(part * 100, part < 0.1 ? 1 : 0)) %" }

    /// Seconds as hours, with as many digits as tell something.
    static func hours(_ seconds: Double) -> String {
        let hours = seconds / 3600
        return fixed(hours, hours >= 100 ? 0 : hours >= 1 ? 1 : hours >= 0.01 ? 3 : 5)
    }
}
