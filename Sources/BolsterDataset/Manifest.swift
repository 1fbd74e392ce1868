import BolsterDeterminism

/// What a run makes: the input, the captioners, the ensemble, and how their records are merged. It decides
/// bytes; where and how fast is said by flags and environment. `Manifest.md` in this module's documentation
/// is the specification of the file.
package struct Manifest: Sendable, Equatable {
    package var name: String
    package var seed: UInt64
    /// Samples per commit.
    package var chunk: Int
    package var input: Input
    /// The run's folder, as written.
    package var output: String
    package var captioners: [CaptionerSettings]
    package var ensemble: EnsembleSettings?
    package var merge: MergeSettings
    package var leases: LeaseTimes
    /// Labels that a worker needs for a stage, by the stage's name. Decides no bytes.
    package var placement: [String: [String]] = [:]

    package init(
        name: String, seed: UInt64 = 0, chunk: Int = 1024, input: Input, output: String,
        captioners: [CaptionerSettings] = [], ensemble: EnsembleSettings? = nil,
        merge: MergeSettings = MergeSettings(), leases: LeaseTimes = LeaseTimes()
    ) {
        self.name = name
        self.seed = seed
        self.chunk = chunk
        self.input = input
        self.output = output
        self.captioners = captioners
        self.ensemble = ensemble
        self.merge = merge
        self.leases = leases
    }

    package struct Input: Sendable, Equatable {
        /// Shard patterns as written: paths and URLs, brace ranges, globs, list files.
        package var shards: [String]
        /// Which samples the run works on; nil for all.
        package var keep: UIDSelection?
        /// Fields of the source called `syn_text…` that may stay.
        package var keepCaptions: [String]

        package init(shards: [String], keep: UIDSelection? = nil, keepCaptions: [String] = []) {
            self.shards = shards
            self.keep = keep
            self.keepCaptions = keepCaptions
        }
    }

    package struct CaptionerSettings: Sendable, Equatable {
        package enum Keep: String, Sendable, CaseIterable {
            /// The text up to the first full stop, as in the published datasets.
            case firstSentence = "first_sentence"
            case everything
        }

        /// As written; may be empty.
        package var name: String
        /// The model package's path, as written; nil for a captioner behind an endpoint.
        package var model: String?
        /// The server that writes the captions; nil for a model package.
        package var endpoint: EndpointSettings?
        /// Captions per image.
        package var captions: Int
        /// Images per inference call.
        package var batch: Int
        package var decoding: Decoding
        package var keep: Keep

        package init(
            name: String, model: String, captions: Int = 5, batch: Int = 64, decoding: Decoding = Decoding(),
            keep: Keep = .firstSentence
        ) {
            self.name = name
            self.model = model
            self.endpoint = nil
            self.captions = captions
            self.batch = batch
            self.decoding = decoding
            self.keep = keep
        }

        /// A captioner behind an endpoint.
        package init(name: String, endpoint: EndpointSettings, captions: Int, keep: Keep = .firstSentence) {
            self.name = name
            self.model = nil
            self.endpoint = endpoint
            self.captions = captions
            self.batch = 1
            self.decoding = Decoding()
            self.keep = keep
        }

        /// What its captions are called in records and dataset: "syn_text", or "syn_text_<name>".
        package var column: String { name.isEmpty ? "syn_text" : "syn_text_\(name)" }
    }

    package struct EnsembleSettings: Sendable, Equatable {
        /// What records hold of an embedding.
        package enum Store: String, Sendable, CaseIterable { case bf16, fp32 }

        /// Model packages' paths as written; the order is that of the concatenated embedding.
        package var teachers: [String]
        /// Augmented views per image.
        package var views: Int
        /// Views or texts per inference call.
        package var batch: Int
        package var augmentation: AugmentationConfiguration
        /// The regular expression that tells which captioners' columns are embedded, searched for anywhere in
        /// the column's name.
        package var captions: String
        package var store: Store

        package init(
            teachers: [String], views: Int, batch: Int = 128, augmentation: AugmentationConfiguration,
            captions: String = Self.everyCaption, store: Store = .bf16
        ) {
            self.teachers = teachers
            self.views = views
            self.batch = batch
            self.augmentation = augmentation
            self.captions = captions
            self.store = store
        }

        package static let everyCaption = "^syn_text.*$"
    }

    /// How long the coordinator waits for what.
    package struct LeaseTimes: Sendable, Equatable {
        /// Between two heartbeats of a worker.
        package var heartbeat: Duration
        /// Without a heartbeat a lease is lost after this.
        package var expires: Duration
        /// Without a further sample a lease is lost after this.
        package var progress: Duration
        /// What loading models may take.
        package var loading: Duration
        /// Reported failures of a unit until it is quarantined.
        package var attempts: Int

        package init(
            heartbeat: Duration = .seconds(2), expires: Duration = .seconds(20),
            progress: Duration = .seconds(300), loading: Duration = .seconds(900), attempts: Int = 3
        ) {
            self.heartbeat = heartbeat
            self.expires = expires
            self.progress = progress
            self.loading = loading
            self.attempts = attempts
        }
    }
}

/// How a captioner draws its tokens.
package struct Decoding: Hashable, Sendable {
    package enum Method: String, Sendable, CaseIterable {
        case greedy
        case topK = "top_k"
        case topP = "top_p"
    }

    package var method: Method
    /// Probability mass kept; used by `topP` only.
    package var topP: Double
    /// Tokens kept; used by `topK` only.
    package var topK: Int
    package var temperature: Double
    /// Tokens, the start token included, before which the end token is forbidden.
    package var minLength: Int
    /// Tokens, start and end included.
    package var maxLength: Int
    /// 1 is none.
    package var repetitionPenalty: Double

    package init(
        method: Method = .topP, topP: Double = 0.9, topK: Int = 50, temperature: Double = 1,
        minLength: Int = 5,
        maxLength: Int = 30, repetitionPenalty: Double = 1
    ) {
        self.method = method
        self.topP = topP
        self.topK = topK
        self.temperature = temperature
        self.minLength = minLength
        self.maxLength = maxLength
        self.repetitionPenalty = repetitionPenalty
    }
}

extension Manifest {
    /// Where a path of the manifest leads: URLs and absolute paths pass through, others start from the
    /// manifest's own folder.
    package func resolve(_ path: String, relativeTo manifestDirectory: String) -> String {
        Self.resolve(path, relativeTo: manifestDirectory)
    }

    package static func resolve(_ path: String, relativeTo manifestDirectory: String) -> String {
        if path.hasPrefix("/") || path.range(ofFirst: "://") != nil || manifestDirectory.isEmpty {
            return path
        }
        return manifestDirectory.hasSuffix("/") ? manifestDirectory + path : manifestDirectory + "/" + path
    }
}
