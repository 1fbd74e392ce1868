/// A number, flag or list inside a view's parameters: JSON without strings and objects, integers kept apart
/// from floats as Python keeps them.
package enum ParameterValue: Sendable, Equatable {
    case null
    case flag(Bool)
    case integer(Int)
    case float(Double)
    case list([ParameterValue])

    /// As Python's `json.dumps` prints it.
    package var json: String {
        var text = ""
        append(to: &text)
        return text
    }

    private func append(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .flag(let flag): text += flag ? "true" : "false"
        case .integer(let value): text += String(value)
        case .float(let value): text += PythonFloat.text(of: value)
        case .list(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += ", " }
                value.append(to: &text)
            }
            text += "]"
        }
    }

    /// The number as Python's arithmetic takes it; nil for what is none.
    var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .float(let value): value
        case .null, .flag, .list: nil
        }
    }

    /// The integer itself, or a float without fraction; nil for anything else.
    var integer: Int? {
        switch self {
        case .integer(let value): value
        case .float(let value): Int(exactly: value)
        case .null, .flag, .list: nil
        }
    }
}

/// Floats as Python's `repr` prints them: the shortest digits that read back as the same double, in exponent
/// form below 1e-4 and from 1e16 on.
package enum PythonFloat {
    package static func text(of value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity" }
        let (digits, point) = shortestDigits(of: value.magnitude)
        let sign = value.sign == .minus ? "-" : ""
        if point > 16 || point < -3 {
            let exponent = point - 1
            let two = String(exponent.magnitude)
            let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
            let padded = two.count < 2 ? "0" + two : two
            return "\(sign)\(digits.prefix(1))\(fraction)e\(exponent < 0 ? "-" : "+")\(padded)"
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if digits.count <= point {
            return sign + digits + String(repeating: "0", count: point - digits.count) + ".0"
        }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }

    /// The digits of `value` without leading and trailing zeros, and where the decimal point stands behind
    /// the first of them: 12.5 is ("125", 2), 0.05 is ("5", -1), 0 is ("0", 1).
    private static func shortestDigits(of value: Double) -> (digits: String, point: Int) {
        guard value != 0 else { return ("0", 1) }
        // Swift's description has the same shortest digits, in another layout.
        let parts = value.description.split(separator: "e")
        var digits = ""
        var point = 0
        var behindPoint = false
        for character in parts[0] {
            if character == "." {
                behindPoint = true
            } else {
                digits.append(character)
                if !behindPoint { point += 1 }
            }
        }
        if parts.count > 1, let exponent = Int(parts[1]) { point += exponent }
        let significant = digits.drop { $0 == "0" }
        point -= digits.count - significant.count
        digits = String(significant)
        while digits.hasSuffix("0") { digits.removeLast() }
        return (digits, point)
    }
}
