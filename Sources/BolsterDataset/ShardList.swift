/// Shard patterns as webdataset and shells write them: brace ranges and lists, nested, and list files.
package enum ShardList {
    /// What one pattern may expand to: a corpus of 65,536 shards with room, and no typing slip of 10^12.
    package static let expansionMax = 1 << 20

    /// All names of a pattern in order, the last brace turning fastest: "{a,b}/{00..02}.tar" gives a/00.tar,
    /// a/01.tar, a/02.tar, b/00.tar… A range's numbers are padded with zeros to the width of its ends. A
    /// backslash takes a brace or comma literally; a brace without a list or range is an error, and so is one
    /// that stays open.
    package static func expandBraces(
        _ pattern: String, countMax: Int = expansionMax
    ) throws(DatasetError) -> [String] {
        var parser = BraceParser(pattern: pattern, countMax: countMax)
        return try parser.expansions()
    }

    /// The pattern that names just this.
    package static func literally(_ name: String) -> String {
        name.map { "{},\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    }

    /// The patterns of a list file: one to the line, blank lines and lines that begin with "#" left out.
    package static func patterns(ofListFile text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let pattern = line.trimmingBlanks()
            return pattern.isEmpty || pattern.hasPrefix("#") ? nil : pattern
        }
    }
}

extension Substring {
    /// Without spaces and tabs at either end.
    fileprivate func trimmingBlanks() -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        return String(self.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }
}

/// A recursive descent over "text{alternative,alternative}text".
private struct BraceParser {
    let pattern: String
    let countMax: Int
    private let characters: [Character]
    private var position = 0
    private static let depthMax = 16

    init(pattern: String, countMax: Int) {
        self.pattern = pattern
        self.countMax = countMax
        characters = Array(pattern)
    }

    mutating func expansions() throws(DatasetError) -> [String] {
        let names = try sequence(depth: 0)
        guard position == characters.count else {
            throw malformed("a '}' at character \(position + 1) closes nothing; write \\} for the character")
        }
        return names
    }

    /// Text and braces up to the end, or inside a brace up to its "," or "}".
    private mutating func sequence(depth: Int) throws(DatasetError) -> [String] {
        var names = [""]
        while position < characters.count {
            switch characters[position] {
            case "}": return names
            case "," where depth > 0: return names
            case "{":
                let alternatives = try brace(depth: depth + 1)
                guard names.count <= countMax / alternatives.count else { throw tooMany() }
                names = names.flatMap { name in alternatives.map { name + $0 } }
            case "\\" where position + 1 < characters.count && "{},\\".contains(characters[position + 1]):
                let character = characters[position + 1]
                position += 2
                for index in names.indices { names[index].append(character) }
            case let character:
                position += 1
                for index in names.indices { names[index].append(character) }
            }
        }
        return names
    }

    /// From "{" to behind its "}".
    private mutating func brace(depth: Int) throws(DatasetError) -> [String] {
        let start = position
        guard depth <= Self.depthMax else { throw malformed("braces are nested over \(Self.depthMax) deep") }
        if let range = try range() { return range }
        position += 1
        var alternatives: [String] = []
        var parts = 0
        while true {
            alternatives += try sequence(depth: depth)
            parts += 1
            guard alternatives.count <= countMax else { throw tooMany() }
            guard position < characters.count else {
                throw malformed(
                    "the '{' at character \(start + 1) is never closed; write \\{ for the character")
            }
            position += 1
            if characters[position - 1] == "}" { break }
        }
        guard parts > 1 else {
            throw malformed(
                "the '{' at character \(start + 1) holds neither a range like {00..12} nor a list like "
                    + "{a,b}; write \\{ for the character")
        }
        return alternatives
    }

    /// "{00..12}" at the position, left behind it; nil where it is no range.
    private mutating func range() throws(DatasetError) -> [String]? {
        guard let close = characters[position...].firstIndex(of: "}") else { return nil }
        let ends = String(characters[(position + 1)..<close]).split(
            separator: "..", omittingEmptySubsequences: false)
        guard ends.count == 2,
            ends.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } })
        else { return nil }
        guard let first = Int(ends[0]), let last = Int(ends[1]) else { throw tooMany() }
        guard first <= last else {
            throw malformed("the range {\(ends[0])..\(ends[1])} does not rise")
        }
        guard last - first < countMax else { throw tooMany() }
        position = close + 1
        // As in a shell, a leading zero at either end pads all to the wider end.
        let isPadded = ends.contains { $0.count > 1 && $0.hasPrefix("0") }
        let width = isPadded ? max(ends[0].count, ends[1].count) : 0
        return (first...last).map { number in
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
    }

    private func malformed(_ message: String) -> DatasetError {
        DatasetError(.malformedPattern, source: pattern, message)
    }

    private func tooMany() -> DatasetError {
        malformed("expands to more than \(countMax) shards; is a range's end mistyped?")
    }
}
