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
