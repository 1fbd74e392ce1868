/// One thing wrong with a manifest, said so that it can be mended without reading anything else.
package struct ManifestMistake: Sendable, Equatable, CustomStringConvertible {
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1, in characters.
    package var column: Int
    /// "captioners[1].decoding.top_p"; empty for the document.
    package var path: String
    /// What stands there, what was expected, and what to do.
    package var message: String

    package init(file: String, line: Int, column: Int, path: String, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.message = message
    }

    package var description: String {
        let place = "\(file):\(line):\(column): "
        return path.isEmpty ? place + message : place + "\(path): \(message)"
    }
}

/// Every mistake of a manifest, in the order of the file.
package struct ManifestErrors: Error, Sendable, Equatable, CustomStringConvertible {
    package var mistakes: [ManifestMistake]

    package init(_ mistakes: [ManifestMistake]) {
        self.mistakes = mistakes.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    }

    /// One line per mistake.
    package var description: String {
        mistakes.map(\.description).joined(separator: "\n")
    }
}
