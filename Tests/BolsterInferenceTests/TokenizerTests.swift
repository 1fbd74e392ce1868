import BolsterOracles
import Foundation
import Testing

@testable import BolsterInference

/// Against open_clip's own tokenizer over its own vocabulary, which the test takes from the installed
/// package.
@Suite(.enabled(if: PythonOracle.hasOpenCLIP)) struct TokenizerTests {
    private struct Vocabulary: Decodable {
        let vocab: [String: Int]
        let merges: [String]
        let start: Int
        let end: Int
    }

    static let tokenizer: Result<CLIPTokenizer, any Error> = Result {
        let program = """
            import json, sys
            from open_clip.tokenizer import SimpleTokenizer
            json.load(sys.stdin)
            t = SimpleTokenizer()
            print(json.dumps({"vocab": t.encoder, "merges": [" ".join(m) for m in t.bpe_ranks],
                              "start": t.sot_token_id, "end": t.eot_token_id}))
            """
        let vocabulary = try Python.ask(program, [Int](), as: Vocabulary.self)
        let text = ModelPackage.Text(
            row: TextRow(start: vocabulary.start, end: vocabulary.end, pad: 0, length: 77),
            vocabularySize: vocabulary.vocab.count,
            tokenizer: .bytePairs(vocabulary: "vocab.json", merges: "merges.txt"), cleaning: .lower)
        return try CLIPTokenizer(
            text: text, vocabularyFile: "vocab.json",
            vocabulary: [UInt8](try JSONEncoder().encode(vocabulary.vocab)), mergesFile: "merges.txt",
            merges: Array(vocabulary.merges.joined(separator: "\n").utf8))
    }

    static let texts = [
        "", " ", "a", "A photo of a cat.", "  two   spaces\tand\nlines \r\n end ",
        "it's they're WE'VE I'm you'll he'd 'tis",
        "IT'S THEY'RE", "'\u{17F} ſTART", "3.14 1,000 12th ½ ² Ⅷ ٣٤٥",
        "<start_of_text> in <END_OF_TEXT> text",
        "a&amp;b &lt;tag&gt; &amp;amp;lt;",
        "&copy &notit;", "&#65; &#x1F600; &#128; &#0;", "&#xD800; &#99999999; &#12",
        "P&EACUTE;REZ &SZLIG; &AMP; &nTILDE; &NOSUCH; &LTimes;", "<b>a &amp; b</b>\nnext &amp; line",
        "“curly” ‘single’ „low‟ ʼn ŉ", "ﬁne ﬂow ﬃ ﬅ ﬆ Ĳ ĳ Ǆ ǆ Ǳ", "ＦＵＬＬ　ｗｉｄｔｈ！ ﾊﾟﾋﾟ ｶﾞ ￦ ￥",
        "line\u{2028}para\u{2029}nel\u{85}cr\rlf", "\u{1B}[31mred\u{1B}[0m \u{1B}[1;2Hx \u{1B}[",
        "nul\u{0}bel\u{7}del\u{7F}bom\u{FEFF}obj\u{FFFC}",
        "c1 \u{80}uro \u{93}q\u{94} \u{81}",
        "e\u{301} \u{212B} \u{AC00}\u{11A8} \u{1100}\u{1161}\u{11A8} \u{2126} a\u{327}\u{301}",
        "\u{AC00}\u{11C3} \u{1108}\u{1169}\u{11A7}\u{301} \u{AC00}\u{11A7}\u{11A8} \u{CCEC}\u{11C2}\u{11C3}",
        "\u{1112}\u{1176} \u{1113}\u{1161}\u{11A8} \u{1112}\u{1160}\u{308}\u{301} \u{E0067}\u{1176}\u{301}",
        "\u{1109A}\u{1DC6}\u{10A0D}\u{1CE7}\u{369} \u{11347}\u{1133E} \u{11347}\u{301}\u{1133E}",
        "ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ΑΣ. ΑΣ' ΑΣΒ", "İstanbul IĞDIR ẞ Ǆ ŒUVRE", "Красный дом ЁЖ", "紅いりんごが二つ。犬と猫", "中文标题测试",
        "한국어 제목",
        "العَرَبِيَّة ١٢٣", "हिन्दी में लिखा", "ไทยแลนด์ ๑๒", "עִבְרִית",
        "👍🏽👨‍👩‍👧‍👦🇩🇪❤️", "a\u{200B}b\u{200D}c\u{AD}d\u{2060}",
        "x_y-z/w\\v|u~t^s", "http://www.example.com/a?b=c&d=e", "UPPERlowerMiXeD", "!!!???...",
        "日本語mixed英語123テスト",
        "supercalifragilisticexpialidocious antidisestablishmentarianism", "\u{1D49C}\u{1D4B7} 𝒜𝒷 ①②",
        String(repeating: "word ", count: 100), "tab\u{B}vt\u{C}ff\u{1C}fs\u{1F}us",
        "\u{A0}nbsp\u{A0}\u{2003}em\u{3000}",
    ]

    @Test("Rows equal open_clip's for texts in many scripts")
    func rows() throws {
        let tokenizer = try Self.tokenizer.get()
        let program = """
            import json, sys
            import open_clip
            print(json.dumps(open_clip.tokenize(json.load(sys.stdin)).tolist()))
            """
        let expected = try Python.ask(program, Self.texts, as: [[Int64]].self)
        for (text, row) in zip(Self.texts, expected) {
            #expect(tokenizer.row(text) == row, "\(text.debugDescription)")
        }
    }

    @Test("Every character alone and inside a word is tokenised as open_clip does")
    func everyCharacter() throws {
        let tokenizer = try Self.tokenizer.get()
        // Assigned characters of the basic plane, and a sample of the others; the interpreter's own table
        // decides what is assigned, since ours may be of another version of Unicode.
        let program = """
            import json, sys, unicodedata
            from open_clip.tokenizer import SimpleTokenizer
            t = SimpleTokenizer()
            numbers = [*range(1, 0xD800), *range(0xE000, 0x10000), *range(0x10000, 0x20000, 7)]
            scalars = [c for c in numbers if unicodedata.category(chr(c)) not in ("Cn", "Co")]
            json.load(sys.stdin)
            parts = [scalars[i:i + 64] for i in range(0, len(scalars), 64)]
            lines = [" ".join(f"a{chr(c)}b {chr(c)}" for c in part) for part in parts]
            print(json.dumps([[line, t.encode(line)] for line in lines]))
            """
        struct Line: Decodable {
            let text: String
            let tokens: [Int]
            init(from decoder: any Decoder) throws {
                var list = try decoder.unkeyedContainer()
                text = try list.decode(String.self)
                tokens = try list.decode([Int].self)
            }
        }
        var wrong: [String] = []
        for line in try Python.ask(program, [Int](), as: [Line].self)
        where tokenizer.encode(line.text) != line.tokens {
            wrong.append(line.text)
        }
        #expect(wrong.isEmpty, "\(wrong.count) lines, the first: \(wrong.first?.debugDescription ?? "")")
    }

    @Test("Every code point, assigned or not, is what the regex module takes it for")
    func everyCodePoint() throws {
        // In OpenCLIP's expression, which ignores case: L letter, N number, S other sign, X none of them.
        let program = """
            import json, sys, regex
            json.load(sys.stdin)
            every = "".join(chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000)
            kinds = bytearray(b"X" * 0x110000)
            for kind, signs in (b"L", r"\\p{L}"), (b"N", r"\\p{N}"), (b"S", r"[^\\s\\p{L}\\p{N}]"):
                for sign in regex.findall(signs, every, regex.IGNORECASE):
                    kinds[ord(sign)] = kind[0]
            print(json.dumps(kinds.decode()))
            """
        let expected = Array(try Python.ask(program, [Int](), as: String.self).utf8)
        func isOneWord(_ text: [Unicode.Scalar]) -> Bool {
            WordSplitter(text).map(\.count) == [text.count]
        }
        var wrong: [String] = []
        for number in UInt32(0)..<0x110000 {
            guard let scalar = Unicode.Scalar(number) else { continue }
            let kind: Character
            if isOneWord(["a", scalar, "b"]) {
                kind = "L"
            } else if isOneWord(["!", scalar, "!"]) {
                kind = "S"
            } else {
                kind = isOneWord([scalar]) ? "N" : "X"
            }
            if kind.asciiValue != expected[Int(number)] { wrong.append(String(number, radix: 16)) }
        }
        #expect(wrong.isEmpty, "\(wrong.count) code points, the first: \(wrong.prefix(9))")
    }

    @Test("Cleaning equals open_clip's", arguments: [TextCleaning.lower, .whitespace])
    func cleaning(kind: TextCleaning) throws {
        let program = """
            import json, sys
            from open_clip.tokenizer import get_clean_fn
            print(json.dumps([get_clean_fn("\(kind.rawValue)")(text) for text in json.load(sys.stdin)]))
            """
        let expected = try Python.ask(program, Self.texts, as: [String].self)
        for (text, cleaned) in zip(Self.texts, expected) {
            #expect(
                Array(kind.clean(text).unicodeScalars) == Array(cleaned.unicodeScalars),
                "\(text.debugDescription)")
        }
    }

    @Test("Decoding equals open_clip's, damaged UTF-8 included")
    func decoding() throws {
        let tokenizer = try Self.tokenizer.get()
        var rows: [[Int]] = []
        var state: UInt64 = 1
        for length in 0..<200 {
            rows.append(
                (0..<length % 40).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    // Mostly single bytes, which seldom make valid UTF-8.
                    return Int(state >> 33) % (length.isMultiple(of: 2) ? 512 : 49_408)
                })
        }
        let program = """
            import json, sys
            from open_clip.tokenizer import SimpleTokenizer
            t = SimpleTokenizer()
            print(json.dumps([t.decode(row) for row in json.load(sys.stdin)]))
            """
        let expected = try Python.ask(program, rows, as: [String].self)
        for (row, text) in zip(rows, expected) {
            #expect(Array(tokenizer.decode(row).unicodeScalars) == Array(text.unicodeScalars), "\(row)")
        }
    }
}
