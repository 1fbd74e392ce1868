import Foundation

/// A JSON value as a file holds it.
enum JSONValue: Decodable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = Self.first(in: container, Bool.self) {
            self = .bool(value)
        } else if let value = Self.first(in: container, Int.self) {
            self = .integer(value)
        } else if let value = Self.first(in: container, Double.self) {
            self = .number(value)
        } else if let value = Self.first(in: container, String.self) {
            self = .text(value)
        } else if let value = Self.first(in: container, [JSONValue].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// Nil where the value is of another type: the decoder has no way to ask for the type first.
    private static func first<Value: Decodable>(
        in container: any SingleValueDecodingContainer, _ type: Value.Type
    ) -> Value? {
        do { return try container.decode(type) } catch { return nil }
    }

    /// For an error message: what a person finds in the file.
    var described: String {
        switch self {
        case .null: "null"
        case .bool(let value): String(value)
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .text(let value): "\"\(value)\""
        case .list(let values): "a list of \(values.count)"
        case .object(let values): "an object of \(values.count) keys"
        }
    }
}

/// One object of a JSON file with the way to it, so that every error names file, key and expectation.
struct JSONObject {
    let file: String
    /// The keys from the top, joined by dots; empty at the top.
    let path: String
    let values: [String: JSONValue]

    /// Parses a whole file.
    init(file: String, bytes: [UInt8]) throws(InferenceError) {
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        } catch {
            throw InferenceError(
                .packageInvalid, "\(file) is not valid JSON: \(error)", file: file, cause: error)
        }
        guard case .object(let values) = value else {
            throw InferenceError(
                .packageInvalid, "\(file) holds \(value.described); expected an object", file: file)
        }
        self.init(file: file, path: "", values: values)
    }

    private init(file: String, path: String, values: [String: JSONValue]) {
        self.file = file
        self.path = path
        self.values = values
    }

    func has(_ key: String) -> Bool { values[key].map { $0 != .null } ?? false }

    func object(_ key: String) throws(InferenceError) -> JSONObject {
        guard case .object(let inner) = try value(key) else { throw wrong(key, "an object") }
        return JSONObject(file: file, path: path.isEmpty ? key : "\(path).\(key)", values: inner)
    }

    func text(_ key: String) throws(InferenceError) -> String {
        guard case .text(let text) = try value(key) else { throw wrong(key, "a string") }
        return text
    }

    func texts(_ key: String) throws(InferenceError) -> [String] {
        guard case .list(let list) = try value(key) else { throw wrong(key, "a list of strings") }
        var texts: [String] = []
        for element in list {
            guard case .text(let text) = element else { throw wrong(key, "a list of strings") }
            texts.append(text)
        }
        return texts
    }

    func bool(_ key: String) throws(InferenceError) -> Bool {
        guard case .bool(let value) = try value(key) else { throw wrong(key, "true or false") }
        return value
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(InferenceError) -> Int {
        guard case .integer(let number) = try value(key), range.contains(number) else {
            throw wrong(key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func number(_ key: String) throws(InferenceError) -> Double {
        switch try value(key) {
        case .integer(let number): return Double(number)
        case .number(let number): return number
        case .null, .bool, .text, .list, .object: throw wrong(key, "a number")
        }
    }

    func numbers(_ key: String, count: Int) throws(InferenceError) -> [Double] {
        guard case .list(let list) = try value(key), list.count == count else {
            throw wrong(key, "a list of \(count) numbers")
        }
        var numbers: [Double] = []
        for element in list {
            switch element {
            case .integer(let number): numbers.append(Double(number))
            case .number(let number): numbers.append(number)
            case .null, .bool, .text, .list, .object: throw wrong(key, "a list of \(count) numbers")
            }
        }
        return numbers
    }

    /// One of the choices of an enumeration whose raw values are the file's words.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ type: Choice.Type
    ) throws(InferenceError) -> Choice {
        guard case .text(let text) = try value(key), let choice = Choice(rawValue: text) else {
            let words = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
            throw wrong(key, words)
        }
        return choice
    }

    /// The error for a key whose value is not what was expected.
    func wrong(_ key: String, _ expectation: String) -> InferenceError {
        let name = path.isEmpty ? key : "\(path).\(key)"
        let found = values[key].map { $0.described } ?? "nothing"
        return InferenceError(
            .packageInvalid, "\(file): \(name) is \(found); expected \(expectation)", file: file)
    }

    private func value(_ key: String) throws(InferenceError) -> JSONValue {
        guard let value = values[key] else { throw wrong(key, "a value") }
        return value
    }
}
