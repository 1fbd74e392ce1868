/// Reads the YAML that `Manifest.md` in this module's documentation specifies.
extension Manifest {
    /// The most samples of a chunk: what a worker holds, and what a lost one costs.
    package static let chunkMax = 65_536

    /// Reads a manifest, `file` being its name for messages. Throws every mistake at once.
    ///
    /// - Parameter settings: "merge.KEY=VALUE" each, which take the place of what the text says there.
    package static func parse(
        _ yaml: String, file: String, settings: [String] = []
    ) throws(ManifestErrors) -> Manifest {
        var reader = YAMLReader(file: file)
        var manifest: Manifest?
        if let document = reader.document(yaml) {
            manifest = Manifest(reader.replacing(document, by: settings), &reader)
        }
        guard let manifest, reader.mistakes.isEmpty else { throw ManifestErrors(reader.mistakes) }
        return manifest
    }

    /// Nil where something without a default is missing; a mistake is reported then.
    private init?(_ document: YAMLValue, _ reader: inout YAMLReader) {
        let keys = [
            "name", "seed", "chunk", "input", "output", "captioners", "ensemble", "merge", "leases",
            "placement",
        ]
        guard let mapping = reader.mapping(document, keys: keys) else { return nil }
        let name = Self.name(mapping, &reader)
        let seed = reader.integer(mapping, "seed", in: UInt64.min...UInt64.max, default: 0)
        let chunk = reader.integer(mapping, "chunk", in: 1...Self.chunkMax, default: 1024)
        let input = Input(in: mapping, &reader)
        let output = Self.path(
            "output", mapping, &reader, expected: "the folder or s3://bucket/prefix that the run writes to",
            schemes: ["s3"])
        let captioners = Self.captioners(mapping, &reader)
        let ensemble = mapping["ensemble"].map { EnsembleSettings($0, &reader) }
        if mapping["captioners"]?.node.sequence?.isEmpty ?? true, mapping["ensemble"] == nil {
            reader.reportMissing("captioners", in: mapping, expected: "captioners, an ensemble, or both")
        }
        let leases = mapping["leases"].map { LeaseTimes($0, &reader) } ?? LeaseTimes()
        Self.reportImpatience(leases, captioners, mapping, &reader)
        var unmerged = Manifest(
            name: name ?? "", seed: seed, chunk: chunk, input: input ?? Input(shards: []),
            output: output ?? "",
            captioners: captioners, ensemble: ensemble ?? nil, leases: leases)
        if let value = mapping["placement"] {
            unmerged.placement = Self.placement(value, stages: unmerged.stageIDs, &reader)
        }
        let merge = mapping["merge"].map { MergeSettings($0, of: unmerged, &reader) }
        guard reader.mistakes.isEmpty else { return nil }
        self = unmerged
        self.merge = merge ?? MergeSettings()
    }

    /// A lease must live through the tries of one request, or its unit is begun again and again.
    private static func reportImpatience(
        _ leases: LeaseTimes, _ captioners: [CaptionerSettings], _ mapping: YAMLMapping,
        _ reader: inout YAMLReader
    ) {
        for captioner in captioners {
            guard let endpoint = captioner.endpoint, let value = mapping["leases"] ?? mapping["captioners"]
            else { continue }
            let longest = max(endpoint.timeout * endpoint.attempts, endpoint.outage)
            guard longest >= leases.progress else { continue }
            reader.report(
                value,
                "a sample of the captioner '\(captioner.name)' may take \(longest.components.seconds) s "
                    + "(timeout × attempts, or outage), and a lease is lost after "
                    + "\(leases.progress.components.seconds) s without one; expected a greater "
                    + "leases.progress"
            )
        }
    }

    private static func name(_ mapping: YAMLMapping, _ reader: inout YAMLReader) -> String? {
        let expected = "the run's name, of letters, digits, '.', '_' and '-'"
        guard let value = mapping["name"] else {
            reader.reportMissing("name", in: mapping, expected: expected)
            return nil
        }
        guard let name = reader.text(value, expected: expected) else { return nil }
        guard name.isName(extra: "._-", lengthMax: 128), name.first != "." else {
            reader.report(value, expected: expected)
            return nil
        }
        return name
    }

    private static func captioners(_ mapping: YAMLMapping, _ reader: inout YAMLReader) -> [CaptionerSettings]
    {
        guard let value = mapping["captioners"] else { return [] }
        var captioners: [CaptionerSettings] = []
        for value in reader.list(value, of: "captioners") {
            guard let captioner = CaptionerSettings(value, &reader) else { continue }
            if let place = captioners.firstIndex(where: { $0.column == captioner.column }) {
                reader.report(
                    value,
                    "the name '\(captioner.name)' is that of captioners[\(place)] too; give each its own")
            }
            captioners.append(captioner)
        }
        return captioners
    }

    /// A path of this machine's file systems, or a URL of one of the schemes.
    static func path(
        _ key: String, _ mapping: YAMLMapping, _ reader: inout YAMLReader, expected: String,
        schemes: [String] = []
    ) -> String? {
        guard let value = mapping[key] else {
            reader.reportMissing(key, in: mapping, expected: expected)
            return nil
        }
        return path(value, &reader, expected: expected, schemes: schemes)
    }

    static func path(
        _ value: YAMLValue, _ reader: inout YAMLReader, expected: String, schemes: [String] = []
    ) -> String? {
        guard let text = reader.text(value, expected: expected) else { return nil }
        guard let separator = text.range(ofFirst: "://") else { return text }
        guard schemes.contains(String(text[..<separator.lowerBound])) else {
            let also = schemes.isEmpty ? "" : " or " + schemes.map { "\($0)://" }.joined(separator: ", ")
            reader.reportUnsupported(
                value, "\(text[..<separator.upperBound])", "expected a path on this machine\(also)")
            return nil
        }
        return text
    }

    /// What shards, files of uids and model packages are read from beside folders.
    static let readSchemes = ["s3", "https", "http", "file"]
}

extension Manifest.Input {
    fileprivate init?(in manifest: YAMLMapping, _ reader: inout YAMLReader) {
        guard let value = manifest["input"] else {
            reader.reportMissing("input", in: manifest, expected: "input: {shards: …}")
            return nil
        }
        guard let mapping = reader.mapping(value, keys: ["shards", "keep", "keep_captions"]) else {
            return nil
        }
        self.init(shards: [])
        keep = mapping["keep"].flatMap { Manifest.UIDSelection($0, &reader) }
        if let list = mapping["keep_captions"] {
            keepCaptions = reader.list(list, of: "field names", allowsOne: true).compactMap {
                reader.text($0, expected: "the name of a field of the source")
            }
        }
        let expected =
            "the shards' paths or URLs: {00..12} ranges, globs, a list file (.txt) or an info.json"
        guard let list = mapping["shards"] else {
            reader.reportMissing("shards", in: mapping, expected: expected)
            return
        }
        let patterns = reader.list(list, of: "paths", allowsOne: true)
        shards = patterns.compactMap { Self.pattern($0, &reader, expected: expected) }
        if patterns.isEmpty, case .sequence = list.node {
            reader.report(list, "names no shard; expected \(expected)")
        }
    }

    private static func pattern(
        _ value: YAMLValue, _ reader: inout YAMLReader, expected: String
    ) -> String? {
        guard
            let pattern = Manifest.path(
                value, &reader, expected: expected, schemes: Manifest.readSchemes)
        else { return nil }
        do {
            _ = try ShardList.expandBraces(pattern)
        } catch {
            reader.report(value, "'\(pattern)': \(error.message)")
            return nil
        }
        return pattern
    }
}

extension Manifest.EnsembleSettings {
    fileprivate init?(_ value: YAMLValue, _ reader: inout YAMLReader) {
        let keys = ["teachers", "views", "batch", "augmentation", "captions", "store"]
        guard let mapping = reader.mapping(value, keys: keys) else { return nil }
        let expectedTeachers = "the teachers' model packages, in the order of the embedding"
        var teachers: [String] = []
        if let list = mapping["teachers"] {
            let parts = reader.list(list, of: "model packages", allowsOne: true)
            teachers = parts.compactMap {
                Manifest.path(
                    $0, &reader, expected: "the path or URL of a model package", schemes: Manifest.readSchemes
                )
            }
            if parts.isEmpty, case .sequence = list.node { reader.report(list, expected: expectedTeachers) }
        } else {
            reader.reportMissing("teachers", in: mapping, expected: expectedTeachers)
        }
        if mapping["views"] == nil {
            reader.reportMissing(
                "views", in: mapping, expected: "the augmented views per image, from 1 to 1024")
        }
        let augmentation = Self.augmentation(mapping, &reader)
        self.init(
            teachers: teachers, views: reader.integer(mapping, "views", in: 1...1024, default: 1),
            batch: reader.integer(mapping, "batch", in: 1...65_536, default: 128),
            augmentation: augmentation ?? AugmentationConfiguration(),
            captions: Self.captions(mapping, &reader),
            store: reader.choice(mapping, "store", default: .bf16))
    }

    private static func augmentation(
        _ mapping: YAMLMapping, _ reader: inout YAMLReader
    ) -> AugmentationConfiguration? {
        guard let value = mapping["augmentation"] else {
            reader.reportMissing(
                "augmentation", in: mapping,
                expected: "the trainer's reinforce.image_augmentation, word for word")
            return nil
        }
        let before = reader.mistakes.count
        let augmentation = AugmentationConfiguration(value, &reader)
        if let augmentation, augmentation.outputSize == nil, reader.mistakes.count == before {
            reader.report(
                value,
                "no transform fixes the size of a view; expected one of random_resized_crop, random_crop, "
                    + "center_crop, or a resize to [height, width]")
        }
        return augmentation
    }

    private static func captions(_ mapping: YAMLMapping, _ reader: inout YAMLReader) -> String {
        let expected = "a regular expression over column names such as syn_text_coca"
        guard let value = mapping["captions"] else { return everyCaption }
        guard let text = reader.text(value, expected: expected) else { return everyCaption }
        do {
            _ = try Regex(text)
            return text
        } catch {
            reader.report(value, "'\(text)' is no regular expression (\(error)); expected \(expected)")
            return everyCaption
        }
    }
}

extension Manifest.LeaseTimes {
    fileprivate init(_ value: YAMLValue, _ reader: inout YAMLReader) {
        self.init()
        let keys = ["heartbeat", "expires", "progress", "loading", "attempts"]
        guard let mapping = reader.mapping(value, keys: keys) else { return }
        func seconds(_ key: String, _ preset: Duration) -> Duration {
            let preset = Double(preset.components.seconds)
            return .milliseconds(
                Int64(reader.number(mapping, key, in: 0.05...86_400, default: preset) * 1000))
        }
        heartbeat = seconds("heartbeat", heartbeat)
        expires = seconds("expires", expires)
        progress = seconds("progress", progress)
        loading = seconds("loading", loading)
        attempts = reader.integer(mapping, "attempts", in: 1...100, default: attempts)
        if expires < heartbeat * 2 {
            reader.report(
                mapping["expires"] ?? value,
                "a lease would expire before a worker can miss one heartbeat; expected at least twice "
                    + "'heartbeat'"
            )
        }
    }
}

extension String {
    /// Whether all characters are ASCII letters, digits or of `extra`, and not too many.
    func isName(extra: String, lengthMax: Int) -> Bool {
        utf8.count <= lengthMax
            && utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: extra.utf8.contains(byte)
                }
            }
    }
}
