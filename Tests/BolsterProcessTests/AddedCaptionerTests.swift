import Foundation
import Testing

/// A captioner that is added to a finished run's manifest.
@Suite(.enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct AddedCaptionerTests {
    private static let models = Program.checkout + "/manifests/demo/models"

    private func captioner(_ name: String, _ model: String) -> String {
        #"  - {name: "\#(name)", model: "\#(Self.models)/\#(model)", captions: 1, "#
            + "decoding: {method: greedy}}"
    }

    /// Every record file with its size and the time of its writing.
    private func records(_ run: SmallRun) throws -> [String: [AnyHashable]] {
        let folder = run.output + "/records"
        var files: [String: [AnyHashable]] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder)
        where name.hasSuffix(".records") {
            let facts = try FileManager.default.attributesOfItem(atPath: folder + "/" + name)
            files[name] = [facts[.size] as? Int, facts[.modificationDate] as? Date]
        }
        return files
    }

    /// The stage of every unit that a worker's log says was worked on, and the models that it loaded.
    private func work(_ log: String) -> (stages: [String], samples: Int, models: [String]) {
        func value(_ name: String, _ line: Substring) -> String? {
            guard let start = line.range(of: "\(name)=") else { return nil }
            return String(line[start.upperBound...].prefix { $0 != " " })
        }
        let lines = log.split(separator: "\n")
        let units = lines.filter { $0.contains("unit done") || $0.contains("unit handed back") }
        let samples = units.compactMap { value("samples", $0).flatMap { Int($0) } }.reduce(0, +)
        let loads = lines.filter { $0.contains("loading a ") }
        return (units.compactMap { value("stage", $0) }, samples, loads.compactMap { value("model", $0) })
    }

    private func log(_ run: SmallRun) throws -> String {
        try String(contentsOfFile: run.output + "/logs/worker-0.log", encoding: .utf8)
    }

    @Test("Only its captions and their embeddings are computed: no other model call, no other record file")
    func added() throws {
        var run = try SmallRun()
        run.more = "captioners:\n" + captioner("", "captioner-a")
        let first = try run.run()
        #expect(first.status == 2 || first.status == 0, "\(first.errors)")
        let before = try records(run)
        let logBefore = try log(run)
        let made = work(logBefore)
        #expect(
            Set(made.stages) == ["captions.syn_text", "views", "texts.ground_truth", "texts.syn_text"])
        #expect(made.models.sorted() == ["captioner-a", "teacher-a"])

        run.more += "\n" + captioner("late", "captioner-b")
        let second = try run.run()
        #expect(second.status == first.status, "\(second.errors)")
        let after = try records(run)
        for (name, facts) in before { #expect(after[name] == facts, "\(name) was written again") }
        let added = Set(after.keys).subtracting(before.keys).map { $0.split(separator: "/")[0] }
        #expect(Set(added) == ["captions.syn_text_late", "texts.syn_text_late"])

        let whole = try log(run)
        let again = work(whole.hasPrefix(logBefore) ? String(whole.dropFirst(logBefore.count)) : whole)
        #expect(again.stages.sorted() == ["captions.syn_text_late", "texts.syn_text_late"])
        #expect(again.samples == 2 * made.samples / made.stages.count)
        #expect(again.models.sorted() == ["captioner-b", "teacher-a"])
        let tar = try Data(contentsOf: URL(fileURLWithPath: run.output + "/dataset/0000.tar"))
        #expect(tar.range(of: Data("syn_text_late".utf8)) != nil)

        // Merging it without the new column needs nothing of it.
        let old = try Program.run([
            "merge", run.manifest, "--output", run.output, "--out", run.folder.path + "/old", "--set",
            "merge.captions=^syn_text$",
        ])
        #expect(old.status == first.status, "\(old.errors)")
    }
}
