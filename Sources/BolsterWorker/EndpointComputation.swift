import BolsterAugmentation
import BolsterDataset
import BolsterDeterminism
import BolsterInference
import BolsterRecords

/// The stage of a captioner behind an endpoint: per sample the list of its captions, as JSON, and the tokens
/// that they took.
///
/// The preparing threads ask, each about one sample at a time, caption after caption; nothing is left for the
/// thread that owns models. A sample whose caption does not come is skipped with the reason; a server that
/// is down, or answers none of many samples in a row, ends the unit's work (`EndpointPatience`).
struct EndpointComputation: StageComputation {
    struct Note: Sendable {
        let key: String
        var skip: Skip?
        /// A list of strings, as JSON.
        var captions = ""
        var usage = TokenUsage()
        /// Why no sample of the unit will be captioned.
        var fault: WorkerError?

        mutating func count(_ counts: ChatCounts) {
            usage = usage + TokenUsage(prompt: counts.prompt, completion: counts.completion)
        }
    }

    /// Samples in a row without a caption after which the server is held to be at fault, not they.
    private static let failuresMax = 16

    let batch = 1
    let rowWidths: [Int] = []
    let preparers: Int?
    let prepare: @Sendable (UnitSample) -> PreparedSample<Note>
    private let endpoint: ChatEndpoint
    private let name: String

    private var notes: [Note] = []
    private var refusalsInARow = 0
    private var failuresInARow = 0

    init(
        settings: Manifest.CaptionerSettings, endpoint settingsOfEndpoint: EndpointSettings, seed: UInt64,
        asking endpoint: ChatEndpoint
    ) {
        let seed = settingsOfEndpoint.sampling.seed ?? seed
        self.endpoint = endpoint
        self.name = settings.name
        self.preparers = settingsOfEndpoint.concurrency
        self.prepare = { sample in
            switch Self.image(of: sample) {
            case .failure(let skipped): return Self.skipped(sample.key, skipped.skip)
            case .success(let image):
                return PreparedSample(
                    Self.note(sample.key, image, endpoint, settings, settingsOfEndpoint.prompts, seed: seed))
            }
        }
    }

    static func skipped(_ key: String, _ skip: Skip) -> PreparedSample<Note> {
        PreparedSample(Note(key: key, skip: skip))
    }

    func stop() { endpoint.cancel() }

    /// The image's bytes as they came. It is decoded all the same: what no other stage can read is skipped
    /// here for the same reason, and no server is asked about it.
    private static func image(of sample: UnitSample) -> Result<ChatEndpoint.Image, SkippedSample> {
        switch SampleImage(of: sample) {
        case .skipped(let skip): return .failure(SkippedSample(skip: skip))
        case .decoded(let decoded):
            guard case .files(let files) = sample.content, let member = files.image else {
                preconditionFailure("an image was decoded, and there is none")
            }
            return .success(.init(bytes: member.bytes, mediaType: "image/\(decoded.format.rawValue)"))
        }
    }

    private static func note(
        _ key: String, _ image: ChatEndpoint.Image, _ endpoint: ChatEndpoint,
        _ settings: Manifest.CaptionerSettings, _ prompts: [String], seed: UInt64
    ) -> Note {
        var note = Note(key: key)
        var captions: [String] = []
        for index in 0..<settings.captions {
            var random = CounterRandom(seed: seed, purpose: .caption, key: key, index: index)
            let answer = endpoint.ask(
                prompts[index % prompts.count], about: image, seed: Int(random.next() >> 1))
            switch answer {
            case .text(let text, let counts, let isCut):
                note.count(counts)
                let caption = CaptionCleaning.cleaned(text, settings.keep)
                guard !caption.isEmpty else {
                    note.skip = Skip(
                        reason: "empty_caption", detail: "caption \(index) is empty: \(text.prefix(100))")
                    return note
                }
                captions.append(caption)
                // A text that goes on after the sentence which is kept may end anywhere.
                let isWhole = settings.keep == .firstSentence && text.contains(".")
                if isCut, !isWhole { note.usage = note.usage + TokenUsage(cut: 1) }
            case .silent(let why, let counts):
                note.count(counts)
                note.skip = Skip(reason: "empty_caption", detail: "caption \(index) is empty: \(why)")
                return note
            case .refused(let message):
                note.skip = Skip(reason: "endpoint_refused", detail: message)
                return note
            case .failed(let message):
                note.skip = Skip(reason: "endpoint_failed", detail: message)
                return note
            case .down(let message):
                note.fault = WorkerError(.endpointDown, message, evidence: settings.column)
                return note
            case .misconfigured(let message):
                note.fault = WorkerError(.endpointMisconfigured, message, evidence: settings.column)
                return note
            case .cancelled:
                note.fault = WorkerError(.endpointDown, "the work was given up", evidence: settings.column)
                return note
            }
        }
        note.captions = PythonJSON.text(of: captions)
        return note
    }

    mutating func add(_ note: Note) throws {
        if let fault = note.fault { throw fault }
        switch note.skip?.reason {
        case "endpoint_refused"?, "empty_caption"?: refusalsInARow += 1
        case "endpoint_failed"?: failuresInARow += 1
        case nil: (refusalsInARow, failuresInARow) = (0, 0)
        default: break
        }
        guard failuresInARow + refusalsInARow < Self.failuresMax else {
            let words =
                "captioner \"\(name)\" captioned none of \(Self.failuresMax) samples in a row: "
                + (note.skip?.detail ?? "")
            // A server that answers is well, and these samples, or the settings, are not to its taste.
            if refusalsInARow > 0 { throw InferenceError(.endpointFailed, words) }
            throw WorkerError(.endpointBroken, words)
        }
        notes.append(note)
    }

    mutating func compute(_ batch: RowBatch) { preconditionFailure("a captioner's server sees no rows") }

    mutating func finish() -> ChunkRows {
        let captions = notes.map(\.captions)
        var rows = ChunkRows()
        rows.keys = notes.map(\.key)
        rows.skips = notes.map(\.skip)
        rows.columns = { [RecordColumn(name: "captions", content: .text(captions))] }
        rows.usage = notes.reduce(TokenUsage()) { $0 + $1.usage }
        notes = []
        return rows
    }
}

/// What is kept of a server's words, as the peer keeps a caption: with `first_sentence` what comes before the
/// first full stop; without white space at either end.
enum CaptionCleaning {
    static func cleaned(_ text: String, _ keep: Manifest.CaptionerSettings.Keep) -> String {
        // By scalars: a full stop with a combining mark is one character, and the peer's Python sees two.
        var scalars = Array(text.unicodeScalars)
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        if keep == .firstSentence, let stop = scalars.firstIndex(of: ".") {
            scalars.removeSubrange(stop...)
        }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }
}
