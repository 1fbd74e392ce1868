import BolsterOracles
import Foundation
import Testing

/// merge in parts, verify, join and clean, as a user calls them, on one small run.
@Suite(.enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct DatasetVerbTests {
    private func digests(_ folder: String) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where !name.hasPrefix(".") {
            files[name] = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
        }
        return files
    }

    @Test(
        "A run's dataset is merged in parts, checked, joined with its images again, and its records removed")
    func verbs() throws {
        var run = try SmallRun()
        run.shards = Program.checkout + "/manifests/demo/shards/{0000..0001}.tar"
        let first = try run.run()
        #expect([0, 2].contains(first.status), "\(first.errors)")
        let folder = run.folder.path
        let whole = run.output + "/dataset"

        for part in ["0/2", "1/2"] {
            let merged = try Program.run(["merge", run.manifest, "--out", folder + "/parts", "--part", part])
            #expect(merged.status == first.status, "\(merged.errors)")
        }
        let closed = try Program.run(["merge", run.manifest, "--out", folder + "/parts", "--close"])
        #expect(closed.status == first.status, "\(closed.errors)")
        #expect(try digests(folder + "/parts") == (try digests(whole)))

        let verified = try Program.run([
            "verify", whole, "--source", run.manifest, "--sample", "3", "--json", "--log-level", "error",
        ])
        #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        let report = try JSONSerialization.jsonObject(with: Data(verified.output.utf8)) as? [String: Any]
        #expect(report?["recomputed"] as? Int == 3)
        #expect(try #require(report?["recomputed_difference_max"] as? Double) < 0.005)

        try omitAndJoin(run, images: whole)
        try clean(run, dataset: whole)
    }

    /// The dataset without images, joined with the source, has the files of the dataset with images.
    private func omitAndJoin(_ run: SmallRun, images whole: String) throws {
        let folder = run.folder.path
        let omitted = try Program.run([
            "merge", run.manifest, "--out", folder + "/dr", "--set", "merge.images=omit",
        ])
        #expect([0, 2].contains(omitted.status), "\(omitted.errors)")
        let joined = try Program.run([
            "join", "--reinforcements", folder + "/dr/*.tar", "--sources", run.shards, "--out",
            folder + "/joined",
        ])
        #expect(joined.status == 0, "\(joined.output)\(joined.errors)")
        #expect(joined.output.contains(", 0 without a source"), "\(joined.output)")
        let listed = try ["joined", "parts"].map { name in
            try members(folder + "/\(name)/0000.tar").filter { $0.hasSuffix("g") || $0.hasSuffix(".npz") }
        }
        #expect(listed[0] == listed[1] && !listed[0].isEmpty)
        let clash = try Program.run([
            "join", "--reinforcements", folder + "/dr/*.tar", "--sources", run.shards, "--out",
            folder + "/dr",
        ])
        #expect(clash.status == 1 && clash.errors.contains("would replace the input"), "\(clash.errors)")
    }

    private func members(_ tar: String) throws -> [String] {
        let listed = try OtherProgram.run(["tar", "--list", "--file", tar])
        #expect(listed.status == 0)
        return listed.text.split(separator: "\n").map(String.init)
    }

    /// Records stay while their dataset has a fault, and go when it has none.
    private func clean(_ run: SmallRun, dataset: String) throws {
        let none = try Program.run(["clean", run.manifest, "--state", run.output + "/state", "--delete"])
        #expect(none.status == 0 && none.output.contains("removed 0 record files"), "\(none.errors)")
        let tar = dataset + "/0001.tar"
        let good = try Data(contentsOf: URL(fileURLWithPath: tar))
        var bad = good
        bad[700] ^= 1
        try bad.write(to: URL(fileURLWithPath: tar))
        let refused = try Program.run(["clean", run.manifest, "--records", "--delete"])
        #expect(refused.status == 1 && refused.errors.contains("its records stay"), "\(refused.errors)")
        try good.write(to: URL(fileURLWithPath: tar))
        let cleaned = try Program.run(["clean", run.manifest, "--records", "--delete"])
        #expect(cleaned.status == 0, "\(cleaned.output)\(cleaned.errors)")
        let left = try FileManager.default.subpathsOfDirectory(atPath: run.output + "/records")
        #expect(left.allSatisfy { !$0.hasSuffix(".records") })
        #expect(try Program.run(["verify", dataset]).status == 0)
    }
}
