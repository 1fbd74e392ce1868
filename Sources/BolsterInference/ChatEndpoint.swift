import BolsterHTTP
import Foundation
import Synchronization

/// A captioner behind an HTTP endpoint: OpenAI's chat completions with one image to the message, as vLLM,
/// SGLang, llama.cpp's server and paid services speak them.
///
///     POST <url>/chat/completions
///     {"model": …, "messages": [{"role": "user", "content": [
///          {"type": "text", "text": prompt},
///          {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,…"}}]}],
///      "seed": …, "temperature": …, "top_p": …, "max_tokens": …}
///
/// `ask` blocks until there is an answer or no hope of one; any number of threads may call it at once, and
/// that number is the limit of concurrency. A server that asks to be left alone is left alone by all of them.
package final class ChatEndpoint: Sendable {
    package struct Settings: Sendable {
        /// The base URL, without a slash at its end.
        package var url: String
        package var modelID: String
        /// Sent as a bearer token; never in a message or log.
        package var apiKey: String?
        package var temperature: Double?
        package var topP: Double?
        package var maxTokens: Int?
        /// For one request.
        package var timeout: Duration
        /// Tries of a request that the server does not answer properly.
        package var attempts: Int
        /// How long the server may be unreachable or busy.
        package var outage: Duration

        package init(
            url: String, modelID: String, apiKey: String? = nil, temperature: Double? = nil,
            topP: Double? = nil, maxTokens: Int? = nil, timeout: Duration = .seconds(60), attempts: Int = 3,
            outage: Duration = .seconds(120)
        ) {
            self.url = url
            self.modelID = modelID
            self.apiKey = apiKey
            self.temperature = temperature
            self.topP = topP
            self.maxTokens = maxTokens
            self.timeout = timeout
            self.attempts = attempts
            self.outage = outage
        }
    }

    /// An image as it is sent.
    package struct Image: Sendable {
        let bytes: [UInt8]
        /// "image/jpeg", "image/png" or "image/webp".
        let mediaType: String

        package init(bytes: [UInt8], mediaType: String) {
            self.bytes = bytes
            self.mediaType = mediaType
        }
    }

    private let settings: Settings
    private let client = HTTPClient(.ofEnvironment)
    private let pause = Pause()
    private let start = ContinuousClock.now

    private let pulse: EndpointPulse?

    /// - Parameter pulse: hears of every answer.
    package init(_ settings: Settings, pulse: EndpointPulse? = nil) {
        self.settings = settings
        self.pulse = pulse
    }

    /// Lets every thread that waits, and every one that comes, return with `cancelled`.
    package func cancel() { pause.cancel() }

    /// Asks about one image.
    ///
    /// - Parameter seed: sent as it is; servers that know no seeds pass over it.
    package func ask(_ prompt: String, about image: Image, seed: Int) -> ChatAnswer {
        let body: [UInt8]
        do {
            body = try ChatRequest(settings, prompt: prompt, image: image, seed: seed).json()
        } catch {
            return .refused("the request cannot be written as JSON: \(error)")
        }
        var policy = RetryPolicy(attempts: settings.attempts, outage: settings.outage)
        while pause.waitForQuiet() {
            switch reply(to: body) {
            case .answer(let answer): return noted(answer)
            case .trouble(let trouble, let message):
                let now = ContinuousClock.now - start
                switch policy.after(trouble, now: now, random: .random(in: 0...1)) {
                case .retry(let wait, forAll: true): pause.keepQuiet(for: wait)
                case .retry(let wait, forAll: false):
                    guard pause.sleep(for: wait) else { return .cancelled }
                case .giveUp(let tries, let waited):
                    return .init(trouble, "\(message), \(tries) tries in \(waited.components.seconds) s")
                }
            }
        }
        return .cancelled
    }

    /// A server that says something about an image is there.
    private func noted(_ answer: ChatAnswer) -> ChatAnswer {
        switch answer {
        case .text, .silent, .refused: pulse?.beat()
        case .failed, .down, .misconfigured, .cancelled: break
        }
        return answer
    }

    private static let path = "/chat/completions"

    private enum Reply {
        case answer(ChatAnswer)
        case trouble(RetryPolicy.Trouble, String)
    }

    /// One try.
    private func reply(to body: [UInt8]) -> Reply {
        var request = HTTPRequest(
            method: "POST", url: settings.url + Self.path,
            headers: [("Content-Type", "application/json"), ("Accept", "application/json")], body: body,
            timeout: settings.timeout)
        if let key = settings.apiKey { request.headers.append(("Authorization", "Bearer \(key)")) }
        request.responseBytesMax = 16 << 20
        let response: HTTPResponse
        do {
            response = try client.send(request)
        } catch {
            return reply(to: error)
        }
        guard response.isSuccess else { return reply(to: response) }
        do {
            return try reply(with: ChatCompletion(json: response.body).answer)
        } catch {
            // Gateways say 200 of what went wrong behind them.
            let words = ChatFailure.words(in: response.body).map { "an error: \($0)" }
            let what = words ?? unreadable(response.body, error)
            return .trouble(.broken, message("\(settings.url) answered \(response.status) with \(what)"))
        }
    }

    /// What came in the place of an answer.
    private func unreadable(_ body: [UInt8], _ error: any Error) -> String {
        if let error = error as? InferenceError { return error.message }
        let start = ChatFailure.message(in: body, hiding: withoutKey).prefix(120)
        let isPage = body.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: "<")
        return "what is no chat completion (\(start))"
            + (isPage ? "; \(Self.wrongAddress)" : "")
    }

    private static let wrongAddress = "is `endpoint` the API's base URL, as in http://host:8000/v1?"

    private func reply(with answer: ChatAnswer) -> Reply {
        switch answer {
        case .text(let text, _, isCut: _) where repeatsKey(text):
            .trouble(.broken, message("\(settings.url) answered with the API key in its text"))
        case .refused(let words): .answer(.refused(message(words)))
        case .failed(let words): .answer(.failed(message(words)))
        case .text, .silent, .down, .misconfigured, .cancelled: .answer(answer)
        }
    }

    private func reply(to error: HTTPError) -> Reply {
        switch error.code {
        case .resolve, .connect: .trouble(.unreachable, message("\(error)"))
        case .timeout:
            .trouble(
                .broken,
                message(
                    "\(error); `timeout` allows \(settings.timeout / .seconds(1)) s, and where `concurrency` "
                        + "is more than the server answers at once, requests wait for each other"))
        case .interrupted, .tooLarge, .malformed, .failed: .trouble(.broken, message("\(error)"))
        case .badRequest, .tls, .tooManyRedirects: .answer(.misconfigured(message("\(error)")))
        }
    }

    private func reply(to response: HTTPResponse) -> Reply {
        let words = ChatFailure.message(in: response.body, hiding: withoutKey)
        let message = message("\(settings.url) answered \(response.status): \(words)")
        switch response.status {
        // Proxies have codes of their own for a server that is not there or overloaded.
        case 429, 502, 503, 521, 522, 523, 529:
            let now = Int64(Date().timeIntervalSince1970)
            let wait = response.header("Retry-After").flatMap { RetryPolicy.wait(fromHeader: $0, now: now) }
            return .trouble(.busy(retryAfter: wait), message)
        case 400, 413, 415, 422: return .answer(.refused(message))
        case 408, 409, 425, 500...: return .trouble(.broken, message)
        case 300..<400, 404, 405: return .answer(.misconfigured(displaced(response, words)))
        default: return .answer(.misconfigured(message))
        }
    }

    /// What is said where the server has no chat completions at this address.
    private func displaced(_ response: HTTPResponse, _ words: String) -> String {
        let url = settings.url + Self.path
        if (300..<400).contains(response.status), let place = response.header("Location") {
            return message("\(url) redirects to \(HTTPError.withoutSecrets(place)); let `endpoint` say so")
        }
        return message(
            "\(url) answered \(response.status); \(Self.wrongAddress) Does the server have the model that "
                + "`model_id` names? It says: \(words)")
    }

    /// One line of what a server, or this program of it, says.
    private func message(_ text: String) -> String { ChatFailure.line(withoutKey(text)) }

    /// What a server says may repeat the key it was given.
    private func withoutKey(_ text: String) -> String {
        guard let key = settings.apiKey, !key.isEmpty else { return text }
        return text.replacingOccurrences(of: key, with: "(the key)")
    }

    /// Whether a text holds the key. A short one is a word like any other ("EMPTY") and no secret.
    private func repeatsKey(_ text: String) -> Bool {
        guard let key = settings.apiKey, key.utf8.count >= 12 else { return false }
        return text.contains(key)
    }
}

/// The tokens of one question and its answer, as the server counts them.
package struct ChatCounts: Sendable, Equatable {
    package var prompt = 0
    package var completion = 0

    package init(prompt: Int = 0, completion: Int = 0) {
        self.prompt = prompt
        self.completion = completion
    }
}

/// What became of a question about an image.
package enum ChatAnswer: Sendable, Equatable {
    /// The model's words, and whether they end where the limit of tokens did and not where the model would.
    case text(String, ChatCounts, isCut: Bool)
    /// The model answered without a word, and why.
    case silent(String, ChatCounts)
    /// The server takes this request at no time: a sample's fault, most often.
    case refused(String)
    /// The server failed at this request again and again, and may be well otherwise.
    case failed(String)
    /// The server cannot be reached, or is busy, for longer than is waited for.
    case down(String)
    /// No request will ever be answered: a wrong address, key or model.
    case misconfigured(String)
    case cancelled

    fileprivate init(_ trouble: RetryPolicy.Trouble, _ message: String) {
        switch trouble {
        case .broken: self = .failed(message)
        case .busy, .unreachable: self = .down(message)
        }
    }
}

/// When a server last answered, whatever units asked it.
package final class EndpointPulse: Sendable {
    private let last = Mutex<ContinuousClock.Instant?>(nil)

    package init() {}

    package func beat() { last.withLock { $0 = .now } }

    /// Nil where it never has.
    package var lastAnswer: ContinuousClock.Instant? { last.withLock { $0 } }
}

/// Where threads wait for a server, until a moment or until they are no longer wanted.
private final class Pause: @unchecked Sendable {
    // Everything mutable is touched under `condition` alone.
    private let condition = NSCondition()
    private var isCancelled = false
    private var quietUntil = ContinuousClock.now

    func cancel() {
        condition.lock()
        isCancelled = true
        condition.broadcast()
        condition.unlock()
    }

    func keepQuiet(for wait: Duration) {
        condition.lock()
        quietUntil = max(quietUntil, ContinuousClock.now + wait)
        condition.unlock()
    }

    /// - Returns: false when cancelled.
    func waitForQuiet() -> Bool { wait { self.quietUntil } }

    /// - Returns: false when cancelled.
    func sleep(for duration: Duration) -> Bool {
        let end = ContinuousClock.now + duration
        return wait { end }
    }

    private func wait(until end: () -> ContinuousClock.Instant) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while !isCancelled {
            let left = end() - ContinuousClock.now
            if left <= .zero { return true }
            _ = condition.wait(until: Date(timeIntervalSinceNow: left / .seconds(1)))
        }
        return false
    }
}
