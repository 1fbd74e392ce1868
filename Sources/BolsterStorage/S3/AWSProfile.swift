import Foundation

/// The settings of one profile of the AWS configuration files:
///
///     ~/.aws/credentials   [name] aws_access_key_id = …
///     ~/.aws/config        [profile name] region = …, s3 = (indented) addressing_style = path
///
/// AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE choose others. Nested settings are named
/// "s3.addressing_style".
struct AWSProfile: Sendable {
    private(set) var settings: [String: String] = [:]
    let name: String

    subscript(key: String) -> String? { settings[key] }

    /// Reads what is there; absent files are empty ones, unless the environment names them.
    init(environment: [String: String]) throws(StorageError) {
        name = environment["AWS_PROFILE"] ?? environment["AWS_DEFAULT_PROFILE"] ?? "default"
        let home = environment["HOME"] ?? ""
        var isFound = false
        for (key, file, isConfig) in [
            ("AWS_CONFIG_FILE", "config", true), ("AWS_SHARED_CREDENTIALS_FILE", "credentials", false),
        ] {
            let path = environment[key] ?? "\(home)/.aws/\(file)"
            guard let text = try Self.text(of: path) else { continue }
            let section = isConfig && name != "default" ? "profile \(name)" : name
            guard let found = Self.sections(of: text)[section] else { continue }
            isFound = true
            settings.merge(found) { _, later in later }
        }
        guard isFound || environment["AWS_PROFILE"] == nil else {
            throw StorageError(
                .credentials, path: "",
                "AWS_PROFILE names a profile that neither ~/.aws/config nor ~/.aws/credentials has: \(name)")
        }
    }

    private static func text(of path: String) throws(StorageError) -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw StorageError(
                .permissionDenied, path: path, "cannot read; give this user the right to read it")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// All sections by name. Lines that are neither a section nor a setting are passed over.
    static func sections(of text: String) -> [String: [String: String]] {
        var sections: [String: [String: String]] = [:]
        var section = ""
        var group = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let plain = line.trimmingCharacters(in: .whitespaces)
            if plain.isEmpty || plain.hasPrefix("#") || plain.hasPrefix(";") { continue }
            if plain.hasPrefix("["), let end = plain.firstIndex(of: "]") {
                section = plain[plain.index(after: plain.startIndex)..<end]
                    .split(whereSeparator: \.isWhitespace).joined(separator: " ")
                group = ""
                continue
            }
            guard let equals = plain.firstIndex(of: "=") else { continue }
            let key = plain[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
            let value = plain[plain.index(after: equals)...].trimmingCharacters(in: .whitespaces)
            if line.first?.isWhitespace == true, !group.isEmpty {
                sections[section, default: [:]]["\(group).\(key)"] = value
            } else {
                group = value.isEmpty ? key : ""
                if !value.isEmpty { sections[section, default: [:]][key] = value }
            }
        }
        return sections
    }
}
