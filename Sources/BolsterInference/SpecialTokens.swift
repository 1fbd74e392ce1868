/// Texts that are one token wherever they stand, letter for letter: "[MASK]", "<mask>". Hugging Face's
/// tokenizers look for them before anything else is done to a text, so a caption that spells one has it.
package struct SpecialTokens: Sendable, Equatable {
    private struct Special: Sendable, Equatable {
        let text: [Unicode.Scalar]
        let id: Int
        /// White space before it goes.
        let stripsLeft: Bool
    }

    /// What a text consists of.
    enum Piece: Equatable {
        case words(ArraySlice<Unicode.Scalar>)
        case token(Int)
    }

    /// The longest first.
    private let entries: [Special]
    private let firsts: Set<Unicode.Scalar>

    /// Of each text its token number; `stripLeft` names those that take the white space before them.
    init(_ ids: [String: Int], stripLeft: Set<String> = []) {
        entries =
            ids.map { text, id in
                Special(text: Array(text.unicodeScalars), id: id, stripsLeft: stripLeft.contains(text))
            }
            .filter { !$0.text.isEmpty }
            .sorted { ($1.text.count, $0.id) < ($0.text.count, $1.id) }
        firsts = Set(entries.map { $0.text[0] })
    }

    /// Reads `special` and `special_strip_left` of model.json, of which neither has to be there.
    init(_ keys: JSONObject, vocabularySize: Int) throws(InferenceError) {
        var ids: [String: Int] = [:]
        if keys.has("special") {
            let special = try keys.object("special")
            for text in special.values.keys {
                ids[text] = try special.integer(text, in: 0...vocabularySize - 1)
            }
        }
        var stripLeft: Set<String> = []
        if keys.has("special_strip_left") {
            stripLeft = Set(try keys.texts("special_strip_left"))
            guard stripLeft.isSubset(of: ids.keys) else {
                throw keys.wrong("special_strip_left", "texts that special names")
            }
        }
        self.init(ids, stripLeft: stripLeft)
    }

    /// The text in pieces, none of them empty. Of two tokens that begin at one place the longer one counts.
    func split(_ text: [Unicode.Scalar]) -> [Piece] {
        var pieces: [Piece] = []
        var start = 0
        var position = 0
        while position < text.count {
            guard firsts.contains(text[position]),
                let entry = entries.first(where: { text[position...].starts(with: $0.text) })
            else {
                position += 1
                continue
            }
            var before = text[start..<position]
            if entry.stripsLeft {
                while let last = before.last, TextCleaning.isSpace(last) { before.removeLast() }
            }
            if !before.isEmpty { pieces.append(.words(before)) }
            pieces.append(.token(entry.id))
            position += entry.text.count
            start = position
        }
        if start < text.count { pieces.append(.words(text[start...])) }
        return pieces
    }
}
