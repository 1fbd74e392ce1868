import Foundation
import Testing

/// What may import what. Package.swift could grow an edge unnoticed; this list is the architecture.
@Suite struct DependencyTests {
    /// Each target, from the bottom up, and the targets and libraries its sources may import.
    private static let allowed: [(target: String, imports: Set<String>)] = [
        ("BolsterDeterminism", ["CCrypto", "CXXHash"]),
        ("BolsterCompression", ["CZlib", "CZstd"]),
        ("BolsterDataset", ["BolsterDeterminism", "Yams"]),
        ("BolsterLeasing", ["BolsterDeterminism", "SwiftProtobuf"]),
        ("BolsterRecords", ["BolsterDeterminism", "BolsterCompression", "CLZ4", "CRecordKernels"]),
        ("BolsterAugmentation", ["BolsterDataset", "BolsterDeterminism", "CPixelKernels"]),
        ("BolsterMessaging", ["CZMQ"]),
        ("BolsterHTTP", ["CCurl"]),
        ("BolsterInference", ["BolsterDeterminism", "BolsterHTTP", "COnnxRuntime", "CSentencePiece"]),
        ("BolsterStorage", ["BolsterDataset", "BolsterDeterminism", "BolsterCompression", "BolsterHTTP"]),
        (
            "BolsterCoordinator",
            [
                "BolsterDataset", "BolsterDeterminism", "BolsterLeasing", "BolsterRecords",
                "BolsterMessaging", "BolsterStorage", "GRDB", "Logging",
            ]
        ),
        (
            "BolsterWorker",
            [
                "BolsterDataset", "BolsterDeterminism", "BolsterLeasing", "BolsterRecords",
                "BolsterAugmentation",
                "BolsterMessaging", "BolsterInference", "BolsterStorage", "Logging",
            ]
        ),
        (
            "BolsterMerger",
            ["BolsterDataset", "BolsterDeterminism", "BolsterRecords", "BolsterStorage", "Logging"]
        ),
        ("BolsterStatusPage", ["BolsterDeterminism", "BolsterLeasing", "Logging"]),
        (
            "BolsterReport",
            [
                "BolsterDataset", "BolsterDeterminism", "BolsterRecords", "BolsterAugmentation",
                "BolsterStorage",
            ]
        ),
        ("BolsterOracles", []),
        (
            "BolsterTestKit",
            [
                "BolsterDeterminism", "BolsterLeasing", "BolsterMessaging", "BolsterCoordinator",
                "BolsterOracles", "Logging",
            ]
        ),
    ]

    /// Come with the toolchain; a pure target may use those of the first line only.
    private static let pureToolchain: Set<String> = [
        "Foundation", "FoundationEssentials", "Glibc", "Synchronization",
    ]
    private static let toolchain = pureToolchain.union(["Dispatch"])
    private static let pure: Set<String> = [
        "BolsterDeterminism", "BolsterCompression", "BolsterDataset", "BolsterLeasing", "BolsterRecords",
        "BolsterAugmentation",
    ]

    private static var importLine: Regex<(Substring, Substring)> {
        /^ *(?:@[a-zA-Z]+ +)?(?:[a-z]+ +)?import +(?:[a-z]+ +)?([A-Za-z0-9_]+)/
    }

    private static func imports(of target: String) throws -> [(module: String, place: String)] {
        try Repository.files(below: ["Sources/" + target], endings: [".swift"]).flatMap { file in
            // Most lines are told without the expression, which is slow in a debug build.
            file.lines.enumerated().filter { $1.contains("import ") }.compactMap { index, line in
                line.firstMatch(of: importLine).map { (String($0.1), file.place(index, $0.1)) }
            }
        }
    }

    @Test("Every target imports only what lies below it", arguments: allowed.map(\.target))
    func downwards(_ target: String) throws {
        let allowed = try #require(Self.allowed.first { $0.target == target }).imports
        let toolchain = Self.pure.contains(target) ? Self.pureToolchain : Self.toolchain
        let imports = try Self.imports(of: target)
        let wrong = imports.filter { !allowed.contains($0.module) && !toolchain.contains($0.module) }.map(
            \.place)
        #expect(wrong.isEmpty)
        #expect(!imports.isEmpty)
    }

    @Test("A target's list names only targets above it in this file: no cycle can be written")
    func order() {
        var below: Set<String> = []
        for (target, imports) in Self.allowed {
            let wrong = imports.filter { $0.hasPrefix("Bolster") && !below.contains($0) }
            #expect(wrong.isEmpty, "\(target) may not list \(wrong)")
            below.insert(target)
        }
    }

    @Test("Every library target is on the list, and each C module has one importer")
    func complete() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Repository.root + "/Sources")
        let listed = Set(Self.allowed.map(\.target))
        let missing = folders.filter { $0.hasPrefix("Bolster") && !listed.contains($0) }
        #expect(missing.isEmpty)
        var importers: [String: Set<String>] = [:]
        for folder in folders {
            for (module, _) in try Self.imports(of: folder)
            where folders.contains(module) && module.hasPrefix("C") {
                importers[module, default: []].insert(folder)
            }
        }
        let shared = importers.filter { $0.value.count != 1 }
        #expect(shared.isEmpty)
        #expect(importers.count > 5)
    }

    @Test("Pure targets touch no file, socket, clock or thread")
    func purity() throws {
        let impure: Set<String> = [
            "FileManager", "FileHandle", "ProcessInfo", "URLSession", "ContinuousClock", "SuspendingClock",
            "Date",
            "Thread", "SystemRandomNumberGenerator", "fopen", "mmap", "socket", "gettimeofday", "clock",
        ]
        var found: [String] = []
        for target in Self.pure.sorted() {
            for file in try Repository.swift(below: "Sources/" + target) {
                for (index, line) in file.lines.enumerated() {
                    if line.drop(while: { $0 == " " }).hasPrefix("//") { continue }
                    let names = line.split { !$0.isLetter }.map(String.init)
                    if !impure.isDisjoint(with: names) { found.append(file.place(index, line)) }
                }
            }
        }
        #expect(found.isEmpty)
    }
}
