/// How captions are decoded: OpenCLIP's `generate` and its defaults (open_clip 3, coca_model.py). Each
/// step applies, in this order, the minimum length, the repetition penalty, the method's filter on the
/// logits, the temperature, softmax and one draw.
package struct CaptionDecoding: Hashable, Sendable {
    package enum Method: String, Sendable, CaseIterable {
        /// The most probable token; of equal ones, the first.
        case greedy
        /// A draw among the `topK` most probable tokens, and those equal to the last of them.
        case topK = "top_k"
        /// A draw among the most probable tokens that together reach `topP`.
        case topP = "top_p"
    }

    package var method: Method
    /// Probability mass kept by `.topP`, over 0 and at most 1.
    package var topP: Double
    /// Number of tokens kept by `.topK`.
    package var topK: Int
    /// Divides the logits that the filter left; over 0.
    package var temperature: Double
    /// The end token is forbidden while a text has fewer tokens than this, the start token included.
    package var minLength: Int
    /// Length in tokens, start and end included, at which the end token is forced.
    package var maxLength: Int
    /// Divides positive and multiplies negative logits of tokens that the text already has.
    package var repetitionPenalty: Double

    package init(
        method: Method, topP: Double = 0.9, topK: Int = 1, temperature: Double = 1, minLength: Int = 5,
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

    /// The `decoding` object of a model.json; a key that is absent has its default.
    init(keys: JSONObject) throws(InferenceError) {
        self.init(method: try keys.choice("method", Method.self))
        if keys.has("top_p") { topP = try keys.number("top_p") }
        if keys.has("top_k") { topK = try keys.integer("top_k", in: 1...4_000_000) }
        if keys.has("temperature") { temperature = try keys.number("temperature") }
        if keys.has("min_length") { minLength = try keys.integer("min_length", in: 0...4096) }
        if keys.has("max_length") { maxLength = try keys.integer("max_length", in: 2...4096) }
        if keys.has("repetition_penalty") { repetitionPenalty = try keys.number("repetition_penalty") }
    }

    /// Checks the settings against each other and against the longest text of a model.
    package func validate(maximumLength: Int) throws(InferenceError) {
        func require(_ holds: Bool, _ words: String) throws(InferenceError) {
            if !holds { throw InferenceError(.decodingInvalid, "decoding: \(words)") }
        }
        try require(topP > 0 && topP <= 1, "top_p is \(topP); expected over 0 and at most 1")
        try require(topK >= 1, "top_k is \(topK); expected at least 1")
        try require(
            temperature > 0 && temperature.isFinite, "temperature is \(temperature); expected over 0")
        try require(
            repetitionPenalty > 0 && repetitionPenalty.isFinite,
            "repetition_penalty is \(repetitionPenalty); expected over 0")
        try require(
            maxLength > minLength,
            "max_length is \(maxLength); expected more than min_length, which is \(minLength)")
        try require(
            maxLength >= 3 && maxLength <= maximumLength,
            "max_length is \(maxLength); this model takes 3 to \(maximumLength) tokens")
    }
}

/// How much of a decoded text is kept as the caption.
package enum CaptionKeeping: String, Hashable, Sendable, CaseIterable {
    /// The text before the first full stop. Decoding ends there, so the rest is never computed.
    case firstSentence = "first_sentence"
    /// The text before the end token.
    case everything
}
