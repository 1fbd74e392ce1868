import BolsterAugmentation
import BolsterDataset
import BolsterRecords
import BolsterTestKit
import Foundation
import Testing

@testable import BolsterReport

/// A small merged dataset in a folder that goes with it.
private final class SmallDataset {
    let folder =
        FileManager.default.temporaryDirectory.path + "/bolster-report-\(UInt64.random(in: 0 ... .max))"
    static let augmentation = """
        {"reinforce": {"image_augmentation": {"random_resized_crop": {"size": 8}, \
        "random_horizontal_flip": {"p": 0.5}, "rand_augment": {}}}}
        """

    init(samples: Int = 60, caption: (Int) -> String = { "a red ring number \($0)" }) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let configuration = Augmentation(try AugmentationConfiguration.parse(Self.augmentation, file: "a"))
        var tar = TarWriter()
        var bytes: [UInt8] = []
        for index in 0..<samples {
            let key = "s\(index)"
            let views = (0..<4).map {
                configuration.sample(width: 40, height: 30, seed: 7, key: key, view: $0)
            }
            let captions = "{\"syn_text\": [\(PythonJSON.text(of: caption(index))), \"a ring\"]}"
            let facts = "{\"caption_scores\": {\"text\": [0.25], \"syn_text\": [0.3, 0.1]}}"
            let files: [(String, [UInt8])] = [
                ("png", try Self.picture(index)), ("txt", Array("Own <b>text</b> \(index)".utf8)),
                ("syn.json", Array(captions.utf8)), ("json", Array(facts.utf8)),
                ("paug.json", Array("{\"param_aug\": \(encodeParamAug(views))}".utf8)),
            ]
            for (name, content) in files { tar.append(name: "\(key).\(name)", bytes: content, to: &bytes) }
        }
        tar.finish(to: &bytes)
        try write("0000.tar", bytes)
        try write("config.json", Array(Self.augmentation.utf8))
        try write(
            "info.json",
            Array(
                """
                {"format": 1, "name": "small", "merge": {"format": "webdataset"},
                 "lengths": {"0000.tar": \(samples)},
                 "captioners": [{"column": "syn_text", "captions": 2}], "views": 4,
                 "teachers": [{"name": "t", "width": 8}]}
                """.utf8))
        try write(
            "coverage.json",
            Array(
                """
                {"total": {"input": \(samples + 3), "merged": \(samples), "excluded": 0,
                            "skipped": 3, "missing": 0},
                 "tokens": {"captions.syn_text": {"prompt": 81234, "completion": 1260}},
                 "reasons": {"views": {"undecodable_image": 1}, "captions.syn_text": {"no_image": 2}}}
                """.utf8))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/" + name))
    }

    private static func picture(_ seed: Int) throws -> [UInt8] {
        let pixels = (0..<(40 * 30 * 3)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed &* 31) }
        return try PNGFile.encode(pixels, width: 40, height: 30)
    }
}

@Suite("The report of a dataset") struct ReportTests {
    @Test("It counts texts, scores and views, and shows samples with their crops") func contents() throws {
        let small = try SmallDataset()
        let contents = try ReportContents(try ReportDataset(directory: small.folder))
        #expect(contents.samples == 60)
        #expect(contents.captions.map(\.column) == ["text", "syn_text"])
        #expect(contents.captions[1].captions == 120)
        #expect(contents.captions[1].scores.total == 120)
        #expect(contents.captions[1].scores.mean.map { abs($0 - 0.2) < 1e-9 } == true)
        #expect(contents.views?.stored.views == 240)
        #expect(contents.shown.count == 12)
        #expect(contents.shown.allSatisfy { $0.boxes.count == 4 && $0.picture != nil })
        #expect(contents.dataset.coverage?.reasons.map(\.count) == [2, 1])
    }

    @Test("The file is whole, refers to nothing outside, and takes a dataset's texts as text") func html()
        throws
    {
        let small = try SmallDataset(caption: { "<img src=x onerror=alert(\($0))> & \"quotes\"" })
        var contents = try ReportContents(try ReportDataset(directory: small.folder))
        contents.cost = RunCost(
            uses: [.init(stage: "views", models: ["t"], device: "cuda", samples: 60, seconds: 7_200)],
            held: [("cuda", 10_800)], prices: ["cuda": 2.5])
        let html = ReportPage(contents, version: "1").html
        #expect(html.hasSuffix("</body></html>\n"))
        #expect(!html.contains("<img src=x"))
        #expect(html.contains("&lt;img src=x onerror=alert(0)&gt; &amp; &quot;quotes&quot;"))
        #expect(!html.contains("<script"))
        #expect(!html.contains("http://") && !html.contains("https://"))
        // Three hours at 2.5.
        #expect(html.contains("7.50"))
        #expect(html.contains("undecodable_image"))
        #expect(html.contains("81,234") && html.contains("1,260") && html.contains("Caption tokens"))
    }

    @Test("As much is read as was asked for") func limits() throws {
        let small = try SmallDataset()
        var limits = ReportContents.Limits()
        (limits.samples, limits.gallery) = (10, 3)
        let contents = try ReportContents(try ReportDataset(directory: small.folder), limits: limits)
        #expect(contents.samples == 10)
        #expect(contents.shown.map(\.sample.key) == ["s0", "s3", "s6"])
        limits.gallery = 0
        #expect(try ReportContents(try ReportDataset(directory: small.folder), limits: limits).shown.isEmpty)
    }

    @Test("A folder that is no dataset is refused with what to do") func noDataset() {
        #expect(throws: ReportError.self) { _ = try ReportDataset(directory: "/nowhere") }
    }

    @Test("In Chromium at three widths, dark and light", .enabled(if: Browser.isThere)) func looks() throws {
        let small = try SmallDataset(samples: 300)
        var contents = try ReportContents(try ReportDataset(directory: small.folder))
        contents.cost = RunCost(
            uses: [.init(stage: "views", models: ["t"], device: "cuda", samples: 60, seconds: 7_200)],
            held: [("cuda", 10_800)], prices: ["cuda": 2.5])
        let file = small.folder + "/report.html"
        try Data(ReportPage(contents, version: "1").html.utf8).write(to: URL(fileURLWithPath: file))
        let outcome = try Browser.look(["report", file])
        #expect(outcome.status == 0, "\(outcome.output)")
    }
}

@Suite("Statistics of texts and views") struct ReportStatisticsTests {
    private func statistics(_ texts: [[String]]) -> CaptionStatistics {
        var statistics = CaptionStatistics(column: "c")
        for list in texts { statistics.add(.init(column: "c", texts: list, scores: [])) }
        return statistics
    }

    @Test("Words are runs of letters and digits, in lower case") func words() {
        #expect(
            CaptionStatistics.words("A dog's  BALL, 2 rings—über!") == [
                "a", "dog's", "ball", "2", "rings", "über",
            ])
    }

    @Test("Repetition is a word twice in a row or three words twice") func repetition() {
        #expect(CaptionStatistics.repeats(["a", "red", "red", "ring"]))
        #expect(CaptionStatistics.repeats("on a hill and on a hill".split(separator: " ").map(String.init)))
        #expect(!CaptionStatistics.repeats("a red ring on a red hill".split(separator: " ").map(String.init)))
        #expect(!CaptionStatistics.repeats([]))
    }

    @Test("Captions of one image differ by the words they do not share") func diversity() {
        let found = statistics([["a red ring", "a red ring", "a blue ring"]])
        // Pairs: equal, and two that share two of four words.
        #expect(found.diversity.map { abs($0 - (0 + 0.5 + 0.5) / 3) < 1e-9 } == true)
        #expect(found.equalPairsShare.map { abs($0 - 1.0 / 3) < 1e-9 } == true)
        #expect(statistics([["one"]]).diversity == nil)
    }

    @Test("A caption that another image had is seen before; twice for one image is not") func seenBefore() {
        #expect(statistics([["x", "x"], ["y"]]).seenBeforeShare == 0)
        #expect(statistics([["x"], ["x"], ["y"]]).seenBeforeShare == 1.0 / 3)
    }

    @Test("A histogram keeps its sum, its quantiles and what lies outside") func histogram() {
        var histogram = Histogram(0...10, bins: 10)
        for value in [-1, 0.5, 1.5, 1.6, 9.9, 40, .nan] { histogram.add(value) }
        #expect(histogram.counts == [2, 2, 0, 0, 0, 0, 0, 0, 0, 2])
        #expect(histogram.total == 6)
        #expect(histogram.quantile(0.5) == 1.5)
        #expect(Histogram(0...1, bins: 2).quantile(0.5) == nil)
    }

    @Test("Views of another distribution stand out, views of the same do not") func difference() throws {
        let configuration = try AugmentationConfiguration.parse(SmallDataset.augmentation, file: "a")
        let right = Augmentation(configuration)
        var other = configuration
        other.randomResizedCrop?.scale = 0.4...1
        func views(_ augmentation: Augmentation) -> ViewStatistics {
            var views = ViewStatistics(right)
            for index in 0..<300 {
                let drawn = (0..<4).map {
                    augmentation.sample(width: 640, height: 480, seed: 3, key: "k\(index)", view: $0)
                }
                let parameters = Array("{\"param_aug\": \(encodeParamAug(drawn))}".utf8)
                let sample = ReportSample(
                    key: "k\(index)", image: nil, own: [], captions: nil, columns: [], parameters: parameters,
                    facts: nil)
                views.add(sample, width: 640, height: 480)
            }
            return views
        }
        let same = views(right)
        let near = try #require(ViewStatistics.difference(same.stored.area, same.expected.area))
        #expect(near.found < near.limit)
        #expect(same.stored.operations.reduce(0, +) == 2 * 1200)
        let wrong = views(Augmentation(other))
        let far = try #require(ViewStatistics.difference(wrong.stored.area, wrong.expected.area))
        #expect(far.found > far.limit)
    }

    @Test("Numbers are grouped and rounded") func numbers() {
        #expect(NumberText.count(1_280_000_000) == "1,280,000,000")
        #expect(NumberText.count(-12_345) == "−12,345")
        #expect(NumberText.count(999) == "999")
        #expect(NumberText.fixed(1234.567, 2) == "1,234.57")
        #expect(NumberText.fixed(-0.004, 2) == "0.00")
        #expect(NumberText.fixed(0.05, 1) == "0.1")
        #expect(NumberText.percent(0.021) == "2.1 %")
    }
}
