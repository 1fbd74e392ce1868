import Testing

@testable import BolsterDataset

@Suite struct MergeSettingsTests {
    @Test("Every key of merge is read")
    func keys() throws {
        let text = wholeManifest.replacing(
            "merge: {format: webdataset,",
            with: """
                merge: {format: jsonl, minimum_score: 0.25, captions: coca$, views: 4,
                        keep_uids: {uids: subset.npy, field: id},
                """)
        let manifest = try Manifest.parse(text, file: "m.yaml")
        let merge = manifest.merge
        #expect(merge.format == .jsonl && merge.minimumScore == 0.25 && merge.views == 4)
        #expect(merge.keepUIDs == Manifest.UIDSelection(uids: "subset.npy", field: "id"))
        #expect(manifest.mergedCaptioners.map(\.column) == ["syn_text_coca"])
        #expect(manifest.mergedViews == 4)
    }

    @Test("A setting of the command line takes the place of the file's, or of none")
    func settings() throws {
        let text = manifest(adding: "merge: {layout: split, images: omit}")
        let settings = ["merge.layout=datacompdr", "merge.keep_uids=subset.txt", "merge.require=[]"]
        let merge = try Manifest.parse(text, file: "m.yaml", settings: settings).merge
        #expect(merge.layout == .datacompdr && merge.images == .omit)
        #expect(merge.keepUIDs == Manifest.UIDSelection(uids: "subset.txt", field: "uid"))
        #expect(merge.require == .stages([]))
        let bare = try Manifest.parse(manifest(), file: "m.yaml", settings: ["merge.embeddings=npz"])
        #expect(bare.merge.embeddings == .npz)
    }

    @Test(
        "A wrong setting is told as what stands on the command line",
        arguments: [
            ("merge.layout=both", "expected one of split, datacompdr"), ("seed=1", "is not merge.KEY=VALUE"),
            ("merge.layuot=split", "did you mean 'layout'?"), ("merge.layout", "is not merge.KEY=VALUE"),
            ("merge.layout=[", "no YAML"), ("merge.views=2", "no ensemble"),
        ])
    func wrong(setting: String, message: String) {
        let errors = #expect(throws: ManifestErrors.self) {
            try Manifest.parse(manifest(), file: "m.yaml", settings: [setting])
        }
        #expect(errors?.mistakes.map(\.file) == ["--set \(setting)"])
        #expect(errors?.description.contains(message) == true, "\(errors.map(\.description) ?? "")")
    }
}
