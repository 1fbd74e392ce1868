import Foundation

/// A server's answer, as far as it matters: the first choice's words, and the tokens it counted. Whatever
/// else is in it may be of any form.
struct ChatCompletion: Decodable {
    private struct Choice: Decodable {
        let message: Message
        let finishReason: String?

        private enum Key: String, CodingKey { case message, finish_reason }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            message = try values.decode(Message.self, forKey: .message)
            finishReason = values.leniently(String.self, .finish_reason)
        }
    }

    private struct Message: Decodable {
        /// A string, or a list of parts of which those of type "text" count.
        let content: String
        /// What the model says in the place of an answer that it will not give.
        let refusal: String?
        /// What a reasoning model thinks before it answers, where the server keeps the two apart: servers
        /// have two names for it.
        let reasoning: String?

        private enum Key: String, CodingKey { case content, refusal, reasoning, reasoning_content }
        private struct Part: Decodable {
            let type: String
            let text: String?
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            refusal = values.leniently(String.self, .refusal)
            reasoning =
                values.leniently(String.self, .reasoning_content)
                ?? values.leniently(String.self, .reasoning)
            guard values.contains(.content), !(try values.decodeNil(forKey: .content)) else {
                content = ""
                return
            }
            do {
                content = try values.decode(String.self, forKey: .content)
            } catch DecodingError.typeMismatch {
                let parts = try values.decode([Part].self, forKey: .content)
                content = parts.filter { $0.type == "text" }.compactMap(\.text).joined()
            }
        }
    }

    private struct Usage: Decodable {
        let counts: ChatCounts

        private enum Key: String, CodingKey { case prompt_tokens, completion_tokens }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            counts = ChatCounts(
                prompt: Self.count(values.leniently(Double.self, .prompt_tokens)),
                completion: Self.count(values.leniently(Double.self, .completion_tokens)))
        }

        /// More than anybody can have spent on one answer is nonsense, and sums of it overflow.
        private static func count(_ told: Double?) -> Int {
            guard let told, told >= 0, told <= 1e9 else { return 0 }
            return Int(told)
        }
    }

    private enum Key: String, CodingKey { case choices, usage }

    private let choice: Choice
    private let usage: Usage?

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        guard let first = try values.decode([Choice].self, forKey: .choices).first else {
            throw InferenceError(.endpointFailed, "an answer with an empty list of choices")
        }
        choice = first
        usage = values.leniently(Usage.self, .usage)
    }

    init(json: [UInt8]) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(json))
    }

    /// A longer text is no caption: a model that repeats itself, or a server that answers something else.
    private static let textBytesMax = 1 << 16

    var answer: ChatAnswer {
        if choice.finishReason == "content_filter" { return .refused("the server's filter withheld it") }
        if choice.message.content.isEmpty, let refusal = choice.message.refusal, !refusal.isEmpty {
            return .refused("the model refused: \(ChatFailure.line(refusal))")
        }
        let (thought, text) = Thought.split(choice.message.content)
        let counts = usage?.counts ?? ChatCounts()
        let isCut = choice.finishReason == "length"
        guard text.contains(where: { !$0.isWhitespace }) else {
            let thinks = [thought, choice.message.reasoning ?? ""].contains { !$0.isEmpty }
            return .silent(Self.reason(thinks: thinks, isCut: isCut), counts)
        }
        guard text.utf8.count <= Self.textBytesMax else {
            return .failed("the answer has \(text.utf8.count) bytes of text; set sampling.max_tokens")
        }
        return .text(text, counts, isCut: isCut)
    }

    /// Why an answer has no words.
    private static func reason(thinks: Bool, isCut: Bool) -> String {
        switch (thinks, isCut) {
        case (true, true):
            "the limit of tokens ended the model's reasoning before its answer; set sampling.max_tokens "
                + "higher, or serve the model without reasoning"
        case (true, false): "the model gave its reasoning and no answer"
        case (false, true): "the limit of tokens came before a word"
        case (false, false): "the model said nothing"
        }
    }
}

/// What a reasoning model thinks, where the server leaves it in the text, between marks and before the
/// answer. The mark that begins it may be the template's and not in the text.
private enum Thought {
    private static let marks = [("<think>", "</think>"), ("◁think▷", "◁/think▷")]

    static func split(_ text: String) -> (thought: String, answer: String) {
        for (begin, end) in marks {
            if let range = text.range(of: end, options: .backwards) {
                return (String(text[..<range.lowerBound]), String(text[range.upperBound...]))
            }
            if text.drop(while: \.isWhitespace).hasPrefix(begin) { return (text, "") }
        }
        return ("", text)
    }
}

extension KeyedDecodingContainer {
    /// A value that is not needed; nil where it is missing or of another type.
    fileprivate func leniently<Value: Decodable>(_ type: Value.Type, _ key: Key) -> Value? {
        do {
            return try decodeIfPresent(type, forKey: key)
        } catch {
            // Servers differ in what they put beside an answer, and the answer counts.
            return nil
        }
    }
}

/// The words of an answer that is an error: `{"error": {"message": …}}`, or another form of it, or as it is.
enum ChatFailure {
    private struct Envelope: Decodable {
        let error: Inner?
        let message: String?
        let detail: String?

        struct Inner: Decodable {
            let message: String

            init(from decoder: any Decoder) throws {
                do {
                    message = try decoder.singleValueContainer().decode(String.self)
                } catch DecodingError.typeMismatch {
                    message = try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .message)
                }
            }
            private enum Key: String, CodingKey { case message }
        }
    }

    private static let lengthMax = 400

    /// - Parameter hidden: what is not to be repeated.
    static func message(in body: [UInt8], hiding hidden: (String) -> String) -> String {
        let text = words(in: body) ?? String(decoding: body.prefix(64 * lengthMax), as: UTF8.self)
        // Before it is cut: half of what is hidden would be let through.
        let line = line(hidden(text))
        return line.isEmpty ? "(no words)" : line
    }

    /// The words of an error as JSON; nil for what is no JSON, or not of a known form.
    static func words(in body: [UInt8]) -> String? {
        do {
            let envelope = try JSONDecoder().decode(Envelope.self, from: Data(body))
            return envelope.error?.message ?? envelope.message ?? envelope.detail
        } catch {
            // Another form: whoever asks has the text itself.
            return nil
        }
    }

    /// A server's words as one short line, without what a terminal would take for orders.
    static func line(_ text: String) -> String {
        let plain = text.unicodeScalars.map { scalar -> Character in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: " "
            default: Character(scalar)
            }
        }
        let words = String(plain).split(whereSeparator: \.isWhitespace)
        return String(words.joined(separator: " ").prefix(lengthMax))
    }
}
