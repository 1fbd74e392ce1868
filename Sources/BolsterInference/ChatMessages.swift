import Foundation

/// One question as JSON, in OpenAI's spelling.
struct ChatRequest: Encodable {
    struct Message: Encodable {
        let role: String
        let content: [Part]
    }

    enum Part: Encodable {
        case text(String)
        case image(url: String)

        private enum Key: String, CodingKey { case type, text, image_url, url }

        func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: Key.self)
            switch self {
            case .text(let text):
                try values.encode("text", forKey: .type)
                try values.encode(text, forKey: .text)
            case .image(let url):
                try values.encode("image_url", forKey: .type)
                var image = values.nestedContainer(keyedBy: Key.self, forKey: .image_url)
                try image.encode(url, forKey: .url)
            }
        }
    }

    let model: String
    let messages: [Message]
    let seed: Int
    let temperature: Double?
    let top_p: Double?
    let max_tokens: Int?

    init(_ settings: ChatEndpoint.Settings, prompt: String, image: ChatEndpoint.Image, seed: Int) {
        model = settings.modelID
        let data = Data(image.bytes).base64EncodedString()
        let parts = [Part.text(prompt), .image(url: "data:\(image.mediaType);base64,\(data)")]
        messages = [Message(role: "user", content: parts)]
        self.seed = seed
        temperature = settings.temperature
        top_p = settings.topP
        max_tokens = settings.maxTokens
    }

    func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }
}

/// A server's answer, as far as it matters.
struct ChatCompletion: Decodable {
    private struct Choice: Decodable {
        let message: Message
        let finish_reason: String?
    }

    private struct Message: Decodable {
        /// A string, or a list of parts of which those of type "text" count.
        let content: String

        private enum Key: String, CodingKey { case content, refusal }
        private struct Part: Decodable {
            let type: String
            let text: String?
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: Key.self)
            if try values.decodeNil(forKey: .content) {
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
        let prompt_tokens: Int?
        let completion_tokens: Int?
    }

    private let choices: [Choice]
    private let usage: Usage?

    init(json: [UInt8]) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(json))
        guard !choices.isEmpty else {
            throw InferenceError(.endpointFailed, "an answer with an empty list of choices")
        }
    }

    var answer: ChatAnswer {
        let choice = choices[0]
        if choice.finish_reason == "content_filter" { return .refused("the server's filter withheld it") }
        return .text(
            choice.message.content, promptTokens: max(0, usage?.prompt_tokens ?? 0),
            completionTokens: max(0, usage?.completion_tokens ?? 0))
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

    private static let lengthMax = 300

    static func message(in body: [UInt8]) -> String {
        let found: String?
        do {
            let envelope = try JSONDecoder().decode(Envelope.self, from: Data(body))
            found = envelope.error?.message ?? envelope.message ?? envelope.detail
        } catch {
            // Not JSON, or not of that form: the text itself is the best there is.
            found = nil
        }
        let text = found ?? String(decoding: body.prefix(4 * lengthMax), as: UTF8.self)
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.isEmpty ? "(no words)" : String(line.prefix(lengthMax))
    }
}
