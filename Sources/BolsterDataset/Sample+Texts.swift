import Foundation

extension Sample {
    /// The source's own texts, in order: the `txt` member; without one that says anything, the `json`
    /// member's field "caption", else its "text", either a string or a list of strings. Bytes that are no
    /// UTF-8 are repaired with the replacement character, blanks at either end are cut off, and texts that
    /// are empty then are left out. A sample without texts, or whose JSON does not parse, has none.
    package var texts: [String] {
        if let text = member("txt") {
            let texts = Self.trimmed([String(decoding: text.bytes, as: UTF8.self)])
            if !texts.isEmpty { return texts }
        }
        guard let json = member("json"), let fields = Self.fields(ofJSON: json.bytes) else { return [] }
        for name in ["caption", "text"] {
            switch fields[name] {
            case let text as String: return Self.trimmed([text])
            case let list as [Any]: return Self.trimmed(list.compactMap { $0 as? String })
            default: continue
            }
        }
        return []
    }

    /// The names of the fields of the `json` and `syn.json` members that begin with "syn_text", sorted: they
    /// would meet the captioners' own.
    package var captionFields: [String] {
        var names: Set<String> = []
        for member in members where member.extension == "json" || member.extension == "syn.json" {
            for name in Self.fields(ofJSON: member.bytes)?.keys ?? [:].keys where name.hasPrefix("syn_text") {
                names.insert(name)
            }
        }
        return names.sorted()
    }

    /// The sample's uid: its key, or a field of its `json` member that is a string or a number; nil without.
    package func uid(field: String) -> String? {
        if field == SampleSelection.keyField { return key }
        guard let json = member("json"), let fields = Self.fields(ofJSON: json.bytes) else { return nil }
        switch fields[field] {
        case let text as String: return text
        case let number as NSNumber: return number.stringValue
        default: return nil
        }
    }

    private static func trimmed(_ texts: [String]) -> [String] {
        texts.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty }
    }

    /// The object's fields; nil where the bytes are no JSON object. A sample with such a member is not worth
    /// an error: what it lacks shows as `no_text`.
    private static func fields(ofJSON bytes: [UInt8]) -> [String: Any]? {
        RepairedJSON.parse(bytes)?.value as? [String: Any]
    }
}
