/// A captioner behind an HTTP endpoint that speaks OpenAI's chat completions with images: vLLM, SGLang,
/// llama.cpp's server, or a paid service.
package struct EndpointSettings: Sendable, Equatable {
    /// The base URL, as written: "/chat/completions" is appended.
    package var url: String
    /// Which of the server's models is asked.
    package var modelID: String
    /// What it is told about the image; caption i gets prompt i modulo their number.
    package var prompts: [String]
    package var sampling: Sampling
    /// Requests at a time, of each worker process.
    package var concurrency: Int
    /// What one request may take.
    package var timeout: Duration
    /// How often a request is tried that the server fails to answer properly.
    package var attempts: Int
    /// How long the endpoint may be unreachable, or ask to be left alone, before the unit fails.
    package var outage: Duration
    /// The environment variable that holds the API key; nil takes BOLSTER_CAPTIONER_KEY where that is set.
    package var keyVariable: String?

    /// What the server is told about drawing tokens; nil leaves it to the server.
    package struct Sampling: Sendable, Equatable {
        package var temperature: Double?
        package var topP: Double?
        package var maxTokens: Int?
        /// Takes the place of the manifest's seed.
        package var seed: UInt64?

        package init(
            temperature: Double? = nil, topP: Double? = nil, maxTokens: Int? = nil, seed: UInt64? = nil
        ) {
            self.temperature = temperature
            self.topP = topP
            self.maxTokens = maxTokens
            self.seed = seed
        }
    }

    package init(
        url: String, modelID: String, prompts: [String], sampling: Sampling = Sampling(),
        concurrency: Int = 16, timeout: Duration = .seconds(60), attempts: Int = 3,
        outage: Duration = .seconds(120), keyVariable: String? = nil
    ) {
        self.url = url
        self.modelID = modelID
        self.prompts = prompts
        self.sampling = sampling
        self.concurrency = concurrency
        self.timeout = timeout
        self.attempts = attempts
        self.outage = outage
        self.keyVariable = keyVariable
    }

    /// What a stage's fingerprint covers of it: what the model is asked, not where or how patiently.
    var decidingLines: [String] {
        func shown(_ value: (some CustomStringConvertible)?) -> String { value.map { "\($0)" } ?? "default" }
        return ["model_id \(Self.oneLine(modelID))"] + prompts.map { "prompt \(Self.oneLine($0))" } + [
            "temperature \(shown(sampling.temperature))", "top_p \(shown(sampling.topP))",
            "max_tokens \(shown(sampling.maxTokens))",
        ]
    }

    /// A prompt's own line breaks must not look like another setting.
    private static func oneLine(_ text: String) -> String {
        String(
            text.unicodeScalars.flatMap { scalar -> [Character] in
                switch scalar {
                case "\\": ["\\", "\\"]
                case "\n": ["\\", "n"]
                default: [Character(scalar)]
                }
            })
    }
}

extension EndpointSettings {
    /// The keys that only a captioner behind an endpoint has.
    static let keys = [
        "endpoint", "model_id", "prompt", "sampling", "concurrency", "timeout", "attempts", "outage",
        "key_variable",
    ]

    /// Nil where what has no default is missing or wrong; a mistake is reported then.
    init?(in mapping: YAMLMapping, _ reader: inout YAMLReader) {
        let url = Self.url(mapping, &reader)
        let modelID = Self.required("model_id", mapping, &reader, "the name of the server's model")
        let prompts = Self.prompts(mapping, &reader)
        let sampling = mapping["sampling"].map { Sampling($0, &reader) } ?? Sampling()
        let preset = EndpointSettings(url: "", modelID: "", prompts: [])
        func seconds(_ key: String, _ preset: Duration, from least: Double) -> Duration {
            let seconds = reader.number(
                mapping, key, in: least...86_400, default: Double(preset.components.seconds))
            return .milliseconds(Int64(seconds * 1000))
        }
        let timeout = seconds("timeout", preset.timeout, from: 0.1)
        let outage = seconds("outage", preset.outage, from: 0)
        let concurrency = reader.integer(mapping, "concurrency", in: 1...512, default: preset.concurrency)
        let attempts = reader.integer(mapping, "attempts", in: 1...20, default: preset.attempts)
        let keyVariable = Self.keyVariable(mapping, &reader)
        guard let url, let modelID, !prompts.isEmpty else { return nil }
        self.init(
            url: url, modelID: modelID, prompts: prompts, sampling: sampling, concurrency: concurrency,
            timeout: timeout, attempts: attempts, outage: outage, keyVariable: keyVariable)
    }

    private static func required(
        _ key: String, _ mapping: YAMLMapping, _ reader: inout YAMLReader, _ expected: String
    ) -> String? {
        guard let value = mapping[key] else {
            reader.reportMissing(key, in: mapping, expected: expected)
            return nil
        }
        return reader.text(value, expected: expected)
    }

    private static func url(_ mapping: YAMLMapping, _ reader: inout YAMLReader) -> String? {
        let expected = "the server's base URL, such as http://captioner:8000/v1"
        guard let text = required("endpoint", mapping, &reader, expected), let value = mapping["endpoint"]
        else { return nil }
        let host = text.range(ofFirst: "://").map { text[$0.upperBound...] } ?? ""
        guard text.hasPrefix("http://") || text.hasPrefix("https://"), !host.isEmpty,
            !text.contains(where: { $0.isWhitespace || $0 == "?" || $0 == "#" })
        else {
            // Without the value: it may hold a secret.
            reader.report(value, "is no base URL; expected \(expected)")
            return nil
        }
        guard !host.prefix(while: { $0 != "/" }).contains("@") else {
            // A manifest is copied, logged and published; a secret in it is a leak.
            reader.report(
                value, "holds a user or password; expected a URL without, and the key in the environment")
            return nil
        }
        let base = text.hasSuffix("/") ? String(text.dropLast()) : text
        guard !base.hasSuffix("/chat/completions") else {
            reader.report(value, "is more than \(expected): \"/chat/completions\" is appended to it")
            return nil
        }
        return base
    }

    private static func prompts(_ mapping: YAMLMapping, _ reader: inout YAMLReader) -> [String] {
        let expected = "what the model is asked about an image: a text, or a list of texts"
        guard let value = mapping["prompt"] else {
            reader.reportMissing("prompt", in: mapping, expected: expected)
            return []
        }
        let parts = reader.list(value, of: "prompts", allowsOne: true)
        if parts.isEmpty, case .sequence = value.node { reader.report(value, expected: expected) }
        return parts.compactMap { reader.text($0, expected: expected) }
    }

    private static func keyVariable(_ mapping: YAMLMapping, _ reader: inout YAMLReader) -> String? {
        let expected = "the name of an environment variable, such as BOLSTER_CAPTIONER_KEY; never the key"
        guard let value = mapping["key_variable"], let text = reader.text(value, expected: expected) else {
            return nil
        }
        guard text.isName(extra: "_", lengthMax: 128), text.first?.isNumber == false else {
            // Without the value: it may be the key itself.
            reader.report(value, "is no variable's name; expected \(expected)")
            return nil
        }
        return text
    }
}

extension EndpointSettings.Sampling {
    fileprivate init(_ value: YAMLValue, _ reader: inout YAMLReader) {
        self.init()
        let keys = ["temperature", "top_p", "max_tokens", "seed"]
        guard let mapping = reader.mapping(value, keys: keys) else { return }
        if mapping["temperature"] != nil {
            temperature = reader.number(mapping, "temperature", in: 0...100, default: 1)
        }
        if mapping["top_p"] != nil {
            topP = reader.number(mapping, "top_p", in: 0.000001...1, default: 1)
        }
        if mapping["max_tokens"] != nil {
            maxTokens = reader.integer(mapping, "max_tokens", in: 1...1_000_000, default: 1)
        }
        if mapping["seed"] != nil {
            seed = reader.integer(mapping, "seed", in: UInt64.min...UInt64.max, default: 0)
        }
    }
}
