import Foundation
import Testing

/// The house rules that a program can check. Each failure names file and line.
@Suite struct TidinessTests {
    @Test("The walk finds the code, so that the other tests have something to look at")
    func walk() throws {
        let paths = try Repository.code().map(\.path)
        #expect(paths.contains("Sources/BolsterDeterminism/SHA256.swift"))
        #expect(paths.contains("Tests/BolsterTidinessTests/TidinessTests.swift"))
        #expect(paths.contains("tools/test.sh"))
    }

    @Test("No file is longer than 400 lines")
    func fileLength() throws {
        let long = try Repository.code().filter { $0.lines.count > 401 }
            .map { "\($0.path): \($0.lines.count - 1) lines" }
        #expect(long.isEmpty)
    }

    @Test("No line is longer than 110 columns")
    func lineLength() throws {
        var long: [String] = []
        for file in try Repository.code() {
            for (index, line) in file.lines.enumerated() where line.count > 110 {
                long.append(file.place(index, "\(line.count) columns"))
            }
        }
        #expect(long.isEmpty)
    }

    @Test("No Swift function has 70 lines or more")
    func functionLength() throws {
        var long: [String] = []
        var seen = 0
        for file in try Repository.code() where file.isSwift {
            for function in Functions(of: file) {
                seen += 1
                if function.lineCount >= 70 {
                    long.append(file.place(function.start, "\(function.lineCount) lines"))
                }
            }
        }
        #expect(long.isEmpty)
        #expect(seen > 300)
    }

    @Test("No type and no file has a name that says nothing")
    func words() throws {
        let banned: Set<String> = [
            "job", "jobs", "task", "tasks", "item", "items", "entry", "entries", "manager", "managers",
            "helper", "helpers", "util", "utils", "utilities",
        ]
        let type = /\b(?:struct|class|enum|actor|protocol|typealias) +([A-Za-z_]+)/
        var found: [String] = []
        for file in try Repository.code() {
            let name = (file.path as NSString).lastPathComponent
            if !banned.isDisjoint(with: (name as NSString).deletingPathExtension.words) {
                found.append(file.path)
            }
            guard file.isSwift else { continue }
            for (index, line) in file.lines.enumerated() {
                if line.drop(while: { $0 == " " }).hasPrefix("//") { continue }
                for match in line.matches(of: type) where !banned.isDisjoint(with: match.1.words) {
                    found.append(file.place(index, match.1))
                }
            }
        }
        #expect(found.isEmpty)
    }

    @Test("Nothing in the sources hides an error")
    func hiddenErrors() throws {
        let hiding = /\btry[?!]|\bcatch *(?:[^{]*)\{ *\}/
        var found: [String] = []
        for file in try Repository.swift(below: "Sources") {
            for (index, line) in file.lines.enumerated() {
                let code = line.drop { $0 == " " }
                if code.hasPrefix("//") { continue }
                guard code.contains("try") || code.contains("catch") else { continue }
                if code.contains(hiding) { found.append(file.place(index, code)) }
                let next = file.lines.dropFirst(index + 1).first?.drop { $0 == " " }
                if code.hasSuffix("{"), code.contains(/\bcatch\b/), next?.hasPrefix("}") == true {
                    found.append(file.place(index, "an empty catch"))
                }
            }
        }
        #expect(found.isEmpty)
    }

    @Test("Nothing is left for later, and nothing names the machine it was written on")
    func leftovers() throws {
        // In pieces, so that this file is not its own find.
        let signs = [
            "TO" + "DO", "FIX" + "ME", "not " + "implemented", "/wo" + "rk/", "/ho" + "me/", "/tmp/" + "h/",
            "/opt/" + "swift", "/tmp/" + "pyv",
        ]
        let files = try Repository.files(
            below: ["Sources", "Tests", "tools", "manifests", "deploy", ".ci"],
            endings: [
                ".swift", ".c", ".h", ".py", ".sh", ".md", ".yaml", ".yml", ".service", ".sbatch",
                "Containerfile", ".txt", ".proto",
                "run",
            ])
        var found: [String] = []
        for file in files {
            for (index, line) in file.lines.enumerated() {
                for sign in signs where line.contains(sign) { found.append(file.place(index, sign)) }
            }
        }
        #expect(found.isEmpty)
    }
}

/// The functions and initialisers of a file in the form `swift format` gives it: a function ends with the
/// first line that is a closing brace in the column where its declaration began.
struct Functions: Sequence {
    struct Function {
        let start: Int
        let lineCount: Int
    }

    private let functions: [Function]

    init(of file: Repository.SourceFile) {
        let declaration = /^ *(?:[a-z@()]+ +)*(?:func +[^ ]|init[?(<]|deinit\b|subscript\()/
        var functions: [Function] = []
        for (start, line) in file.lines.enumerated() {
            // Most lines are told without the expression, which is slow in a debug build.
            guard line.contains("func ") || line.contains("init") || line.contains("subscript"),
                line.contains(declaration)
            else { continue }
            let closing = String(repeating: " ", count: line.indentation) + "}"
            guard !line.hasSuffix("}"), let end = file.lines[start...].firstIndex(where: { $0 == closing })
            else {
                continue
            }
            functions.append(Function(start: start, lineCount: end - start + 1))
        }
        self.functions = functions
    }

    func makeIterator() -> [Function].Iterator { functions.makeIterator() }
}
