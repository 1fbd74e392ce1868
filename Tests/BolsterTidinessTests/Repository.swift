import Foundation

/// The checkout that this test was built from.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    struct SourceFile {
        /// Relative to the checkout.
        let path: String
        let lines: [Substring]

        /// `path:line: what`, as compilers say it.
        func place(_ index: Int, _ what: some StringProtocol) -> String { "\(path):\(index + 1): \(what)" }

        var isGenerated: Bool { path.hasSuffix(".pb.swift") }
        var isSwift: Bool { path.hasSuffix(".swift") }
    }

    /// The text files below these folders with one of these endings, in order of their paths.
    static func files(below folders: [String], endings: [String]) throws -> [SourceFile] {
        var found: [SourceFile] = []
        for folder in folders {
            guard let walk = FileManager.default.enumerator(atPath: root + "/" + folder) else { continue }
            for case let name as String in walk {
                guard endings.contains(where: { name.hasSuffix($0) }), !name.contains("__pycache__") else {
                    continue
                }
                let path = folder + "/" + name
                let text = try String(contentsOfFile: root + "/" + path, encoding: .utf8)
                found.append(
                    SourceFile(
                        path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false)))
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    /// All code that people wrote.
    static func code() throws -> [SourceFile] {
        try files(below: ["Sources", "Tests", "tools"], endings: [".swift", ".c", ".h", ".py", ".sh"])
            .filter { !$0.isGenerated }
    }

    static func swift(below folder: String) throws -> [SourceFile] {
        try files(below: [folder], endings: [".swift"]).filter { !$0.isGenerated }
    }
}

extension StringProtocol {
    var indentation: Int { prefix { $0 == " " }.count }

    /// The words of a name in camel case or with underscores, in lower case.
    var words: [String] {
        var words: [String] = []
        for character in self {
            if !character.isLetter { continue }
            if character.isUppercase || words.isEmpty {
                words.append(character.lowercased())
            } else {
                words[words.count - 1].append(character)
            }
        }
        return words
    }
}
