import Yams

/// Reads the manifest's `merge`, from the file and from `--set merge.KEY=VALUE`.
extension Manifest.MergeSettings {
    private static let keys = [
        "format", "layout", "embeddings", "images", "require", "keep_uids", "minimum_score", "captions",
        "views",
    ]

    /// - Parameter manifest: everything but its `merge`.
    init(_ value: YAMLValue, of manifest: Manifest, _ reader: inout YAMLReader) {
        self.init()
        guard let mapping = reader.mapping(value, keys: Self.keys) else { return }
        format = reader.choice(mapping, "format", default: .webdataset)
        layout = reader.choice(mapping, "layout", default: .split)
        embeddings = reader.choice(mapping, "embeddings", default: .pthGz)
        images = reader.choice(mapping, "images", default: .include)
        keepUIDs = mapping["keep_uids"].flatMap { Manifest.UIDSelection($0, &reader) }
        if let value = mapping["minimum_score"] {
            minimumScore = reader.number(value, in: -1...1)
            if manifest.ensemble == nil {
                reader.report(value, "a score needs embeddings, and this manifest has no ensemble")
            }
        }
        captions = Self.captions(mapping, of: manifest, &reader)
        if let value = mapping["views"] {
            let most = manifest.ensemble?.views ?? 0
            if most == 0 {
                reader.report(value, "this manifest has no ensemble and so no views")
            } else {
                views = reader.integer(mapping, "views", in: 1...most, default: most)
            }
        }
        require = Self.require(mapping, stages: manifest.stageIDs, &reader)
    }

    private static func captions(
        _ mapping: YAMLMapping, of manifest: Manifest, _ reader: inout YAMLReader
    ) -> String? {
        let expected = "a regular expression over column names such as syn_text_coca"
        guard let value = mapping["captions"], let text = reader.text(value, expected: expected) else {
            return nil
        }
        do {
            let expression = try Regex(text)
            let columns = manifest.captioners.map(\.column)
            if try columns.allSatisfy({ try expression.firstMatch(in: $0) == nil }) {
                let known = columns.isEmpty ? "none" : columns.joined(separator: ", ")
                reader.report(value, "'\(text)' matches no column; this manifest's are \(known)")
                return nil
            }
            return text
        } catch {
            reader.report(value, "'\(text)' is no regular expression (\(error)); expected \(expected)")
            return nil
        }
    }

    private static func require(
        _ mapping: YAMLMapping, stages: [StageID], _ reader: inout YAMLReader
    ) -> Require {
        guard let value = mapping["require"], value.node.string != "all" else { return .all }
        let known = stages.map(\.name)
        let expected = "all, or a list of this manifest's stages: \(known.joined(separator: ", "))"
        var required: [StageID] = []
        for part in reader.list(value, of: "stages: \(known.joined(separator: ", "))", allowsOne: true) {
            guard let name = reader.text(part, expected: expected) else { continue }
            if known.contains(name) {
                required.append(StageID(name))
            } else {
                let guess = Spelling.nearest(to: name, among: known).map { "did you mean '\($0)'? " } ?? ""
                reader.report(part, "'\(name)' is no stage here; \(guess)expected \(expected)")
            }
        }
        return .stages(required)
    }
}

extension Manifest.UIDSelection {
    /// A path alone, or `{uids: PATH, field: NAME}`.
    init?(_ value: YAMLValue, _ reader: inout YAMLReader) {
        let expected = "the path of a file of uids (.npy, or .txt with one to the line)"
        if case .scalar = value.node {
            guard let path = reader.text(value, expected: expected) else { return nil }
            self.init(uids: path)
            return
        }
        guard let mapping = reader.mapping(value, keys: ["uids", "field"]) else { return nil }
        guard let uids = mapping["uids"] else {
            reader.reportMissing("uids", in: mapping, expected: expected)
            return nil
        }
        guard let path = reader.text(uids, expected: expected) else { return nil }
        self.init(uids: path)
        if let value = mapping["field"] {
            field = reader.text(value, expected: "the field of the json that holds the uid") ?? field
        }
    }
}

extension YAMLReader {
    /// The document with the values of "merge.KEY=VALUE" settings in their places. Only the merge can be
    /// set from outside: everything else decides the bytes of records, and belongs in the file.
    mutating func replacing(_ document: YAMLValue, by settings: [String]) -> YAMLValue {
        var node = document.node
        for setting in settings {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let path = String(parts[0])
            let keys = path.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, keys.count == 2, keys[0] == "merge", !keys[1].isEmpty else {
                reportSetting(setting, "", "is not merge.KEY=VALUE")
                continue
            }
            guard case .mapping = node, case .mapping? = node["merge"] ?? .mapping([:]) else { continue }
            do {
                guard let value = try Yams.compose(yaml: String(parts[1])) else {
                    reportSetting(setting, path, "has no value")
                    continue
                }
                if node["merge"] == nil { node["merge"] = .mapping([:]) }
                node["merge"]?[String(keys[1])] = value
                self.settings[path] = setting
            } catch {
                reportSetting(setting, path, "the value is no YAML: \(error)")
            }
        }
        return YAMLValue(node: node, path: document.path)
    }
}
