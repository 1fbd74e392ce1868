import Testing

@testable import BolsterInference

@Suite("Forms of a chat completion")
struct ChatCompletionTests {
    /// The answer of a server whose only choice has this message and end.
    private func answer(message: String, finish: String = "\"stop\"") throws -> ChatAnswer {
        let json = """
            {"choices": [{"index": 0, "message": {"role": "assistant", \(message)},
              "finish_reason": \(finish)}], "usage": {"prompt_tokens": 40, "completion_tokens": 8}}
            """
        return try ChatCompletion(json: Array(json.utf8)).answer
    }

    private func text(_ words: String, isCut: Bool = false) -> ChatAnswer {
        .text(words, ChatCounts(prompt: 40, completion: 8), isCut: isCut)
    }

    @Test(
        "What a reasoning model thinks is no caption, whichever way the server tells it",
        arguments: [
            #""content": "A cat.", "reasoning_content": "I see a cat.""#,
            #""content": "A cat.", "reasoning": "I see a cat.""#,
            #""content": "<think>\nI see a cat. Or two.\n</think>\n\nA cat.""#,
            // Where the template begins the thought, only its end is in the answer.
            #""content": "I see a cat.</think>A cat.""#,
            #""content": "◁think▷I see a cat.◁/think▷A cat.""#,
            #""content": [{"type": "text", "text": "<think>.</think>"}, {"type": "text", "text": "A cat."}]"#,
        ])
    func reasoning(message: String) throws {
        guard case .text(let words, _, isCut: false) = try answer(message: message) else {
            Issue.record("no text in \(message)")
            return
        }
        #expect(words.drop(while: \.isWhitespace) == "A cat.")
    }

    @Test(
        "A model that thinks until it is cut off has said nothing, and the reason names the setting",
        arguments: [
            #""content": null, "reasoning_content": "I see""#,
            #""content": "", "reasoning": "I see""#,
            #""content": "<think>\nI see""#,
            #""content": " \n", "reasoning_content": "I see""#,
        ])
    func onlyReasoning(message: String) throws {
        guard case .silent(let why, let counts) = try answer(message: message, finish: "\"length\"") else {
            Issue.record("\(try answer(message: message, finish: "\"length\""))")
            return
        }
        #expect(why.contains("reasoning") && why.contains("max_tokens"), "\(why)")
        #expect(counts == ChatCounts(prompt: 40, completion: 8))
        guard case .silent(let other, _) = try answer(message: message) else {
            Issue.record("an answer of reasoning alone is a text")
            return
        }
        #expect(other.contains("reasoning") && !other.contains("max_tokens"), "\(other)")
    }

    @Test("Silence without a thought is told as it is")
    func silence() throws {
        for message in [#""content": null"#, #""content": " \n""#, #""content": []"#, #""tool_calls": []"#] {
            guard case .silent(let why, _) = try answer(message: message) else {
                Issue.record("\(message) is a text")
                continue
            }
            #expect(!why.contains("reasoning"), "\(why)")
        }
    }

    @Test("A text that the limit of tokens cut off says so")
    func cut() throws {
        #expect(
            try answer(message: #""content": "A cat on the""#, finish: "\"length\"")
                == text("A cat on the", isCut: true))
        #expect(try answer(message: #""content": "A cat.""#, finish: "null") == text("A cat."))
    }
}
