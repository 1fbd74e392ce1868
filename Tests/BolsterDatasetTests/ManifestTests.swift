import Testing

@testable import BolsterDataset

/// The manifest that the documentation sketches, less what this version does not support.
let wholeManifest = """
    name: datacompdr-12m
    seed: 2026
    chunk: 1024
    input:
      shards: corpus/{00000000..00001023}.tar
      keep_captions: [syn_text_old]
    output: runs/datacompdr-12m
    captioners:
      - name: coca
        model: models/coca-vit-l-14
        captions: 5
        batch: 64
        decoding: {method: top_p, top_p: 0.9, temperature: 1.0, min_length: 5, max_length: 30}
        keep: first_sentence
      - name: ""
        model: models/other
        decoding: {method: top_k, top_k: 10}
        keep: everything
    ensemble:
      teachers: [models/dfn2b-vit-l-14, models/dfn2b-vit-l-14-39b]
      views: 10
      batch: 128
      augmentation:
        random_resized_crop: {size: 224, interpolation: bicubic}
        rand_augment: {enable: true, p: 1.0}
        to_rgb: {enable: true}
        to_tensor: {enable: true}
        normalize: {mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
      captions: "^syn_text.*$"
      store: bf16
    merge: {format: webdataset, layout: datacompdr, embeddings: npz, images: omit,
            require: [views, texts.syn_text]}
    leases: {heartbeat: 0.5, expires: 5, progress: 60, loading: 100, attempts: 2}
    """

/// The mistakes of a manifest; empty where it parses.
func mistakes(_ yaml: String) -> [ManifestMistake] {
    do {
        _ = try Manifest.parse(yaml, file: "m.yaml")
        return []
    } catch {
        return error.mistakes
    }
}

/// A small correct manifest with one line replaced.
func manifest(replacing line: String = "", with replacement: String = "", adding: String = "") -> String {
    let text = """
        name: small
        input: {shards: a.tar}
        output: out
        captioners:
          - name: coca
            model: m
        """
    return text.split(separator: "\n").map { $0 == line ? replacement : String($0) }.joined(separator: "\n")
        + "\n" + adding
}

@Suite("Manifest")
struct ManifestTests {
    @Test("Every key of the sketch is understood")
    func whole() throws {
        let manifest = try Manifest.parse(wholeManifest, file: "m.yaml")
        #expect(manifest.name == "datacompdr-12m")
        #expect(manifest.seed == 2026 && manifest.chunk == 1024)
        #expect(
            manifest.input
                == .init(shards: ["corpus/{00000000..00001023}.tar"], keepCaptions: ["syn_text_old"]))
        #expect(manifest.output == "runs/datacompdr-12m")
        #expect(manifest.captioners.map(\.column) == ["syn_text_coca", "syn_text"])
        #expect(
            manifest.captioners[0].decoding
                == Decoding(method: .topP, topP: 0.9, temperature: 1, minLength: 5))
        #expect(manifest.captioners[1].decoding == Decoding(method: .topK, topK: 10))
        #expect(manifest.captioners[1].keep == .everything)
        let ensemble = try #require(manifest.ensemble)
        #expect(ensemble.teachers == ["models/dfn2b-vit-l-14", "models/dfn2b-vit-l-14-39b"])
        #expect(ensemble.views == 10 && ensemble.batch == 128 && ensemble.store == .bf16)
        #expect(ensemble.augmentation.randomResizedCrop?.interpolation == .bicubic)
        #expect(ensemble.augmentation.randAugment == .init())
        #expect(manifest.merge.layout == .datacompdr && manifest.merge.embeddings == .npz)
        #expect(manifest.merge.images == .omit)
        #expect(manifest.merge.require == .stages([.views, .texts(column: "syn_text")]))
        #expect(manifest.leases.heartbeat == .milliseconds(500) && manifest.leases.attempts == 2)
    }

    @Test("Lines may end as Windows ends them, anchors and aliases work, and a mark may stand before all")
    func otherForms() throws {
        let manifest = try Manifest.parse(wholeManifest, file: "m.yaml")
        #expect(try Manifest.parse(wholeManifest.replacing("\n", with: "\r\n"), file: "m.yaml") == manifest)
        #expect(try Manifest.parse("\u{FEFF}---\n" + wholeManifest, file: "m.yaml") == manifest)
        let aliased = wholeManifest.replacing(
            "method: top_p, top_p: 0.9", with: "method: top_p, top_p: &p 0.9"
        )
        .replacing("rand_augment: {enable: true, p: 1.0}", with: "rand_augment: {enable: true, p: *p}")
        #expect(try Manifest.parse(aliased, file: "m").ensemble?.augmentation.randAugment?.probability == 0.9)
    }

    @Test("Nesting without end is a mistake and no crash")
    func nesting() {
        for text in ["[", "{a: ", "- "] { #expect(!mistakes(String(repeating: text, count: 20_000)).isEmpty) }
    }

    @Test("What is left out has the documented defaults")
    func defaults() throws {
        let parsed = try Manifest.parse(manifest(), file: "m.yaml")
        #expect(
            parsed
                == Manifest(
                    name: "small", input: .init(shards: ["a.tar"]), output: "out",
                    captioners: [.init(name: "coca", model: "m")]))
        #expect(parsed.leases.expires == .seconds(20) && parsed.seed == 0 && parsed.chunk == 1024)
    }

    @Test("All mistakes come at once, each with its line, column and what was expected")
    func allAtOnce() {
        let found = mistakes(
            """
            name: bad name
            sed: 1
            chunk: many
            input: {shards: "gs://b/{0..3}.tar"}
            output: out
            captioners:
              - name: coca
                model: m
                decoding: {top_p: 2}
            ensemble:
              teachers: [a]
              views: 0
              augmentation:
                random_resized_crop: {size: 224, interpolation: cubical}
            """)
        #expect(
            found.map { [$0.line, $0.column] } == [
                [1, 7], [2, 1], [3, 8], [4, 17], [9, 23], [12, 10], [14, 53],
            ])
        #expect(
            found.map(\.path) == [
                "name", "sed", "chunk", "input.shards", "captioners[0].decoding.top_p", "ensemble.views",
                "ensemble.augmentation.random_resized_crop.interpolation",
            ])
        #expect(found[1].description.hasPrefix("m.yaml:2:1: sed: unknown key 'sed'; did you mean 'seed'?"))
        #expect(
            found[2].message == "'many' is not what belongs here; expected a whole number from 1 to 65536")
        #expect(found[3].message.contains("gs:// is not supported by this version"))
        #expect(
            found[6].message.contains("expected one of nearest, box, bilinear, hamming, bicubic, lanczos"))
    }

    @Test(
        "A wrong value is told where it stands",
        arguments: [
            ("chunk: 0", 1, 8, "from 1 to 65536"),
            ("chunk: 1.5", 1, 8, "whole number"),
            ("chunk: \"512\"", 1, 8, "the quoted text \"512\""),
            ("chunk:", 1, 7, "an empty value"),
            ("chunk: [1]", 1, 8, "a list is not"),
            ("seed: -1", 1, 7, "from 0 to 18446744073709551615"),
            ("merge: {embeddings: gz}", 1, 21, "expected one of npz, pth.gz"),
            ("merge: {format: parquet}", 1, 17, "expected one of webdataset, jsonl"),
            ("merge: {minimum_score: 0.3}", 1, 24, "this manifest has no ensemble"),
            ("merge: {views: 1}", 1, 16, "no ensemble and so no views"),
            ("merge: {captions: ^other}", 1, 19, "matches no column"),
            ("merge: {captions: \"(\"}", 1, 19, "is no regular expression"),
            ("merge: {keep_uids: {field: uid}}", 1, 20, "'uids' is missing"),
            ("merge: {require: [view]}", 1, 19, "captions.syn_text_coca"),
            ("leases: {heartbeat: 5, expires: 6}", 1, 33, "at least twice"),
            ("leases: {attempts: yes}", 1, 20, "whole number"),
            ("ensemble: 5", 1, 11, "expected a mapping"),
            (
                "ensemble: {teachers: [], views: 1, augmentation: {center_crop: {size: 8}}}", 1, 22,
                "model packages"
            ),
            (
                "ensemble: {teachers: [a], augmentation: {center_crop: {size: 8}}}", 1, 11,
                "'views' is missing"
            ),
            ("ensemble: {teachers: [a], views: 1}", 1, 11, "'augmentation' is missing"),
            ("ensemble: {teachers: [a], views: 1, augmentation: {to_tensor: {}}}", 1, 51, "fixes the size"),
            (
                "ensemble: {teachers: [a], views: 1, captions: '(', augmentation: {center_crop: {size: 8}}}",
                1, 47,
                "no regular expression"
            ),
        ])
    func wrongValue(yaml: String, line: Int, column: Int, message: String) {
        let found = mistakes(yaml + "\n" + manifest())
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.line == line && found.first?.column == column, "\(found)")
        #expect(found.first?.message.contains(message) == true, "\(found)")
    }

    @Test(
        "A captioner's mistake is told where it stands",
        arguments: [
            ("    concurrency: 4", "belongs to a captioner behind an endpoint"),
            ("    captions: 0", "from 1 to 64"),
            ("    keep: first_sentense", "did you mean 'first_sentence'?"),
            ("    decoding: {method: beam_search}", "not supported by this version"),
            ("    decoding: {method: top_k, top_p: 0.5}", "is used by top_p only"),
            ("    decoding: {min_length: 40}", "min_length is 40 and max_length 30"),
            ("    decoding: {temperature: .nan}", "a number from"),
            ("    decoding: {method: greedy}", "greedy decoding makes the same caption"),
            ("    modle: m", "did you mean 'model'?"),
            ("  - {name: coca, model: n}", "is that of captioners[0] too"),
            ("  - {name: a/b, model: n}", "of letters, digits"),
            ("  - {model: n}", "'name' is missing"),
            ("  - {name: vlm}", "'model' is missing"),
        ])
    func wrongCaptioner(line: String, message: String) {
        let found = mistakes(manifest(adding: line))
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.message.contains(message) == true, "\(found)")
    }

    @Test(
        "Every kind of shard and place is taken",
        arguments: [
            "a.jsonl", "a.jsonl.gz", "a.tar.zst", "info.json", "https://h/{00..02}.tar", "s3://b/a/*.tar",
            "file:///a.tar",
        ])
    func inputs(pattern: String) throws {
        let parsed = try Manifest.parse(
            manifest(replacing: "input: {shards: a.tar}", with: "input: {shards: '\(pattern)'}"), file: "m")
        #expect(parsed.input.shards == [pattern])
    }

    @Test("The output may be a bucket's, and is no web server's")
    func output() throws {
        let bucket = "output: s3://runs/a"
        let parsed = try Manifest.parse(manifest(replacing: "output: out", with: bucket), file: "m")
        #expect(parsed.output == "s3://runs/a")
        let found = mistakes(manifest(replacing: "output: out", with: "output: https://h/a"))
        #expect(found.map(\.path) == ["output"])
    }

    @Test("input.keep names a file of uids, and the field where it is not 'uid'")
    func keep() throws {
        func keep(_ text: String) throws -> Manifest.UIDSelection? {
            let line = "input: {shards: a.tar, keep: \(text)}"
            return try Manifest.parse(
                manifest(replacing: "input: {shards: a.tar}", with: line), file: "m"
            ).input.keep
        }
        #expect(try keep("s.npy") == .init(uids: "s.npy", field: "uid"))
        #expect(
            try keep("{uids: s3://b/s.txt, field: key}") == .init(uids: "s3://b/s.txt", field: "key"))
        let found = mistakes(
            manifest(replacing: "input: {shards: a.tar}", with: "input: {shards: a.tar, keep: {field: x}}"))
        #expect(found.count == 1 && found[0].message.contains("'uids' is missing"))
    }

    @Test("A brace that is never closed is told with the shard pattern")
    func brokenBrace() {
        let found = mistakes(
            manifest(replacing: "input: {shards: a.tar}", with: "input: {shards: 'a{0..3.tar'}"))
        #expect(found.first?.message.contains("is never closed") == true)
    }

    @Test("A bare brace range within braces gets the hint that it needs quotes")
    func bareRange() {
        let found = mistakes(
            manifest(replacing: "input: {shards: a.tar}", with: "input: {shards: a{0..3}.tar}"))
        #expect(found.map(\.line) == [2])
        #expect(found.first?.message.contains("put a pattern with braces in quotes") == true)
    }

    @Test("What is missing is told at the mapping that lacks it")
    func missing() {
        let found = mistakes("seed: 1")
        #expect(
            found.map(\.message).map { $0.prefix(while: { $0 != ";" }) }
                == [
                    "'name' is missing", "'input' is missing", "'output' is missing",
                    "'captioners' is missing",
                ])
        #expect(found.allSatisfy { $0.line == 1 && $0.column == 1 })
    }

    @Test(
        "Text that is no YAML, no mapping or empty is one mistake",
        arguments: [
            "", "- a", "a: [", "a: b: c", "name: x\nname: y", "\u{1}", "--- a\n--- b", "a: *b", "{? [x] : y}",
        ])
    func noManifest(text: String) {
        let found = mistakes(text)
        #expect(!found.isEmpty)
        #expect(found.allSatisfy { $0.line >= 1 && $0.column >= 1 && $0.file == "m.yaml" })
    }

    @Test("Paths start from the manifest's folder; absolute ones and URLs stay")
    func resolve() throws {
        let manifest = try Manifest.parse(manifest(), file: "m.yaml")
        #expect(manifest.resolve("models/a", relativeTo: "/runs") == "/runs/models/a")
        #expect(manifest.resolve("/models/a", relativeTo: "/runs") == "/models/a")
        #expect(manifest.resolve("s3://b/a", relativeTo: "/runs") == "s3://b/a")
    }
}
