import Yams

/// A value of a YAML document and the keys that lead to it.
struct YAMLValue {
    let node: Node
    /// "captioners[1].decoding"; empty for the document.
    let path: String

    func child(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
}

/// A mapping whose keys have been checked.
struct YAMLMapping {
    let value: YAMLValue
    fileprivate let values: [String: YAMLValue]

    subscript(key: String) -> YAMLValue? { values[key] }
    func child(_ key: String) -> String { value.child(key) }
}

/// Reads values of a YAML document by the type that is expected, and gathers every mistake on the way: a
/// wrong value is reported and its default goes on, so that one reading finds all mistakes.
struct YAMLReader {
    let file: String
    private(set) var mistakes: [ManifestMistake] = []
    /// Paths of values that stand on the command line and not in the file.
    var settings: [String: String] = [:]

    static let textBytesMax = 4 << 20

    init(file: String) { self.file = file }

    /// Parses the text; nil, with the mistake reported, where it is no single YAML document.
    mutating func document(_ text: String) -> YAMLValue? {
        guard text.utf8.count <= Self.textBytesMax else {
            report(
                line: 1, column: 1, "",
                "the file is over \(Self.textBytesMax >> 20) MiB, which no manifest needs")
            return nil
        }
        do {
            // Windows' editors put a byte order mark before the text, which the parser takes as a letter.
            let hasMark = text.unicodeScalars.first == "\u{FEFF}"
            let yaml = hasMark ? String(text.unicodeScalars.dropFirst()) : text
            guard let node = try Yams.compose(yaml: yaml) else {
                report(line: 1, column: 1, "", "the file is empty; expected a mapping of keys to values")
                return nil
            }
            return YAMLValue(node: node, path: "")
        } catch let error as YamlError {
            report(error)
        } catch {
            report(line: 1, column: 1, "", "the file cannot be parsed: \(error)")
        }
        return nil
    }

    // MARK: Mistakes

    mutating func report(_ value: YAMLValue, _ message: String) {
        if let (_, text) = settings.first(where: { value.path.hasPrefix($0.key) }) {
            return reportSetting(text, value.path, message)
        }
        let mark = value.node.mark
        report(line: mark?.line ?? 1, column: mark?.column ?? 1, value.path, message)
    }

    /// Reports a mistake of the command line.
    mutating func reportSetting(_ text: String, _ path: String, _ message: String) {
        mistakes.append(
            ManifestMistake(file: "--set \(text)", line: 1, column: 1, path: path, message: message))
    }

    private mutating func report(line: Int, column: Int, _ path: String, _ message: String) {
        mistakes.append(ManifestMistake(file: file, line: line, column: column, path: path, message: message))
    }

    /// Reports that a value is not what was expected.
    mutating func report(_ value: YAMLValue, expected: String) {
        report(value, "\(Self.shown(value.node)) is not what belongs here; expected \(expected)")
    }

    mutating func reportUnsupported(_ value: YAMLValue, _ what: String, _ remedy: String) {
        report(value, "\(what) is not supported by this version; \(remedy)")
    }

    private mutating func report(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, let yaml), .parser(_, let problem, let mark, let yaml),
            .composer(_, let problem, let mark, let yaml):
            let lines = yaml.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            let hasRange = lines.indices.contains(mark.line - 1) && lines[mark.line - 1].contains("..")
            let hint = hasRange ? "; put a pattern with braces in quotes" : ""
            report(line: mark.line, column: mark.column, "", "this is no YAML: \(problem)\(hint)")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0)'" }.joined(separator: ", ")
            report(
                line: context.mark.line, column: context.mark.column, "",
                "the key \(names) is there more than once; keep one")
        case .reader(let problem, let offset, _, _):
            let place = offset.map { " at byte \($0)" } ?? ""
            report(line: 1, column: 1, "", "the file is no text\(place): \(problem)")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            report(line: 1, column: 1, "", "the file cannot be parsed: \(error)")
        }
    }

    /// A value as it stands in a message, cut to a length that can be read.
    private static func shown(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar):
            if scalar.style == .plain, ["", "~", "null"].contains(scalar.string.lowercased()) {
                return "an empty value"
            }
            let text = scalar.string.count > 60 ? scalar.string.prefix(57) + "..." : scalar.string[...]
            return scalar.style == .plain ? "'\(text)'" : "the quoted text \"\(text)\""
        case .mapping: return "a mapping"
        case .sequence: return "a list"
        case .alias: return "an alias"
        }
    }

    // MARK: Structure

    /// A mapping with these keys only. Others are reported, with the nearest known key; those of `later` with
    /// what this version lacks.
    mutating func mapping(
        _ value: YAMLValue, keys: [String], later: [String: String] = [:]
    ) -> YAMLMapping? {
        guard case .mapping(let mapping) = value.node else {
            report(value, expected: "a mapping with keys of \(keys.joined(separator: ", "))")
            return nil
        }
        var values: [String: YAMLValue] = [:]
        for (keyNode, node) in mapping {
            guard case .scalar(let scalar) = keyNode else {
                report(
                    YAMLValue(node: keyNode, path: value.path),
                    expected: "a key of \(keys.joined(separator: ", "))")
                continue
            }
            let key = scalar.string
            let place = YAMLValue(node: keyNode, path: value.child(key))
            if keys.contains(key) {
                values[key] = YAMLValue(node: node, path: value.child(key))
            } else if let what = later[key] {
                reportUnsupported(place, "'\(key)' (\(what))", "leave it out")
            } else {
                let guess = Spelling.nearest(to: key, among: keys).map { "; did you mean '\($0)'?" } ?? ";"
                report(
                    place, "unknown key '\(key)'\(guess) The keys here are \(keys.joined(separator: ", "))")
            }
        }
        return YAMLMapping(value: value, values: values)
    }

    /// Reports a missing key at its mapping.
    mutating func reportMissing(_ key: String, in mapping: YAMLMapping, expected: String) {
        report(mapping.value, "'\(key)' is missing; expected \(expected)")
    }

    /// The parts of a list; a value that is no list stands for a list of one where `allowsOne`.
    mutating func list(_ value: YAMLValue, of what: String, allowsOne: Bool = false) -> [YAMLValue] {
        guard case .sequence(let sequence) = value.node else {
            if allowsOne, case .scalar = value.node { return [value] }
            report(value, expected: "a list of \(what)")
            return []
        }
        return sequence.enumerated().map { YAMLValue(node: $1, path: "\(value.path)[\($0)]") }
    }

    // MARK: Scalars

    /// Text that is not empty; numbers and words count as text, an empty value does not.
    mutating func text(_ value: YAMLValue, expected: String, mayBeEmpty: Bool = false) -> String? {
        guard case .scalar(let scalar) = value.node else {
            report(value, expected: expected)
            return nil
        }
        let isNull = scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
        guard !isNull, mayBeEmpty || !scalar.string.isEmpty else {
            report(value, expected: expected)
            return nil
        }
        return scalar.string
    }

    /// An unquoted word as it stands; nil for all else.
    private func plain(_ value: YAMLValue) -> String? {
        guard case .scalar(let scalar) = value.node, scalar.style == .plain else { return nil }
        return scalar.string
    }

    mutating func integer<Number: FixedWidthInteger>(
        _ mapping: YAMLMapping, _ key: String, in range: ClosedRange<Number>, default preset: Number
    ) -> Number {
        guard let value = mapping[key] else { return preset }
        guard let text = plain(value), let number = Number(text), range.contains(number) else {
            report(value, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
            return preset
        }
        return number
    }

    mutating func number(
        _ mapping: YAMLMapping, _ key: String, in range: ClosedRange<Double>, default preset: Double
    ) -> Double {
        guard let value = mapping[key] else { return preset }
        return number(value, in: range) ?? preset
    }

    mutating func number(_ value: YAMLValue, in range: ClosedRange<Double>) -> Double? {
        let isDecimal = { (text: String) in text.utf8.allSatisfy { "+-.0123456789eE".utf8.contains($0) } }
        guard let text = plain(value), isDecimal(text), let number = Double(text), range.contains(number)
        else {
            report(value, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    mutating func flag(_ mapping: YAMLMapping, _ key: String, default preset: Bool) -> Bool {
        guard let value = mapping[key] else { return preset }
        switch plain(value) {
        case "true", "True", "TRUE": return true
        case "false", "False", "FALSE": return false
        default:
            report(value, expected: "true or false")
            return preset
        }
    }

    /// One of an enumeration's words; those of `later` are told as what this version lacks.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ mapping: YAMLMapping, _ key: String, default preset: Choice, later: [String] = []
    ) -> Choice where Choice.RawValue == String {
        guard let value = mapping[key] else { return preset }
        let words = Choice.allCases.map(\.rawValue)
        guard case .scalar(let scalar) = value.node else {
            report(value, expected: "one of \(words.joined(separator: ", "))")
            return preset
        }
        if let choice = Choice(rawValue: scalar.string) { return choice }
        if later.contains(scalar.string) {
            reportUnsupported(value, "'\(scalar.string)'", "expected one of \(words.joined(separator: ", "))")
        } else {
            let guess =
                Spelling.nearest(to: scalar.string, among: words).map { "; did you mean '\($0)'?" } ?? ""
            report(value, expected: "one of \(words.joined(separator: ", "))\(guess)")
        }
        return preset
    }
}
