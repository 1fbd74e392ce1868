extension Manifest.CaptionerSettings {
    /// Nil where a name or model is missing or wrong; a mistake is reported then.
    init?(_ value: YAMLValue, _ reader: inout YAMLReader) {
        let ofPackages = ["model", "batch", "decoding"]
        let isEndpoint = ["endpoint", "model_id", "prompt"].contains { value.node[$0] != nil }
        let keys = ["name", "captions", "keep"] + ofPackages + EndpointSettings.keys
        guard let mapping = reader.mapping(value, keys: keys) else { return nil }
        for key in isEndpoint ? ofPackages : EndpointSettings.keys {
            guard let value = mapping[key] else { continue }
            reader.report(
                value,
                isEndpoint
                    ? "belongs to a captioner with a model package, and this has an endpoint; leave it out"
                    : "belongs to a captioner behind an endpoint, and this has a model; leave it out")
        }
        let name = Self.name(mapping, &reader)
        if isEndpoint {
            self.init(endpointIn: mapping, name: name, &reader)
        } else {
            self.init(packageIn: mapping, value, name: name, &reader)
        }
    }

    private init?(endpointIn mapping: YAMLMapping, name: String?, _ reader: inout YAMLReader) {
        let endpoint = EndpointSettings(in: mapping, &reader)
        let captions = reader.integer(
            mapping, "captions", in: 1...64, default: max(1, endpoint?.prompts.count ?? 1))
        let keep = reader.choice(mapping, "keep", default: Keep.firstSentence)
        guard let name, let endpoint else { return nil }
        if let value = mapping["captions"] ?? mapping["prompt"], captions < endpoint.prompts.count {
            reader.report(
                value,
                "\(captions) captions leave some of the \(endpoint.prompts.count) prompts unused; expected "
                    + "at least as many captions as prompts")
        }
        self.init(name: name, endpoint: endpoint, captions: captions, keep: keep)
    }

    private init?(
        packageIn mapping: YAMLMapping, _ value: YAMLValue, name: String?, _ reader: inout YAMLReader
    ) {
        let model = Manifest.path(
            "model", mapping, &reader, expected: "the path or URL of the captioner's model package",
            schemes: Manifest.readSchemes)
        let decoding = mapping["decoding"].map { Decoding($0, &reader) } ?? Decoding()
        let captions = reader.integer(mapping, "captions", in: 1...64, default: 5)
        if decoding.method == .greedy, captions > 1 {
            reader.report(
                mapping["captions"] ?? value,
                "greedy decoding makes the same caption every time; expected 'captions: 1', or another method"
            )
        }
        let batch = reader.integer(mapping, "batch", in: 1...65_536, default: 64)
        let keep = reader.choice(mapping, "keep", default: Keep.firstSentence)
        guard let name, let model else { return nil }
        self.init(name: name, model: model, captions: captions, batch: batch, decoding: decoding, keep: keep)
    }

    private static func name(_ mapping: YAMLMapping, _ reader: inout YAMLReader) -> String? {
        let expected = "the captioner's name, of letters, digits, '_' and '-'; \"\" writes syn_text"
        guard let value = mapping["name"] else {
            reader.reportMissing("name", in: mapping, expected: expected)
            return nil
        }
        guard let name = reader.text(value, expected: expected, mayBeEmpty: true) else { return nil }
        guard name.isName(extra: "_-", lengthMax: 64) else {
            reader.report(value, expected: expected)
            return nil
        }
        return name
    }
}

extension Decoding {
    init(_ value: YAMLValue, _ reader: inout YAMLReader) {
        self.init()
        let keys = [
            "method", "top_p", "top_k", "temperature", "min_length", "max_length", "repetition_penalty",
        ]
        guard let mapping = reader.mapping(value, keys: keys) else { return }
        method = reader.choice(mapping, "method", default: .topP, later: ["beam_search"])
        topP = reader.number(mapping, "top_p", in: 0.000001...1, default: topP)
        topK = reader.integer(mapping, "top_k", in: 1...1_000_000, default: topK)
        temperature = reader.number(mapping, "temperature", in: 0.001...100, default: temperature)
        minLength = reader.integer(mapping, "min_length", in: 0...4096, default: minLength)
        maxLength = reader.integer(mapping, "max_length", in: 2...4096, default: maxLength)
        repetitionPenalty = reader.number(
            mapping, "repetition_penalty", in: 0.1...10, default: repetitionPenalty)
        if minLength > maxLength {
            reader.report(
                mapping["min_length"] ?? mapping["max_length"] ?? value,
                "min_length is \(minLength) and max_length \(maxLength); expected the first to be no more")
        }
        reportUnused(mapping, &reader)
    }

    /// A number that the method does not use would change nothing, which its writer cannot have meant.
    private func reportUnused(_ mapping: YAMLMapping, _ reader: inout YAMLReader) {
        let usedBy: [(key: String, methods: [Method])] = [
            ("top_p", [.topP]), ("top_k", [.topK]), ("temperature", [.topP, .topK]),
        ]
        for (key, methods) in usedBy where !methods.contains(method) {
            guard let value = mapping[key] else { continue }
            let names = methods.map(\.rawValue).joined(separator: " and ")
            reader.report(
                value, "is used by \(names) only, and the method is \(method.rawValue); leave it out")
        }
    }
}
