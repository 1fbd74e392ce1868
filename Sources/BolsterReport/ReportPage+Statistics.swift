extension ReportPage {
    // MARK: Texts

    func writeCaptions(_ out: inout HTMLText) {
        let captions = contents.captions.filter { $0.captions > 0 }
        guard !captions.isEmpty else { return }
        out.raw("<section>")
        out.heading(
            "Texts",
            note:
                "Repeating: a word twice in a row, or three words twice. Seen before: captions that "
                + "another image has too. Diversity: the words that two captions of one image do not share.")
        out.table(
            [
                "Source", "Texts", "Words", "5 to 95 %", "Vocabulary", "Repeating", "Closed", "Seen before",
                "Diversity", "Equal pairs", "Score",
            ], numbers: Set(1...10), rows: captions.map(row))
        out.raw("<div class=\"histograms\">")
        for statistics in captions { out.raw(words(statistics)) }
        for statistics in captions where statistics.scores.total > 0 { out.raw(scores(statistics)) }
        out.raw("</div>")
        for statistics in captions {
            let common = statistics.commonWords(24).map { "\($0.word) \(NumberText.count($0.count))" }
            guard !common.isEmpty else { continue }
            out.raw("<h3>Most frequent words: \(HTMLText.escaped(name(statistics)))</h3>")
            out.raw("<p class=\"quiet\">\(HTMLText.escaped(common.joined(separator: " · ")))</p>")
        }
        out.raw("</section>")
    }

    private func name(_ statistics: CaptionStatistics) -> String {
        statistics.column == ReportSample.ownColumn ? "the samples' own" : statistics.column
    }

    private func row(_ statistics: CaptionStatistics) -> [String] {
        let words = statistics.words
        let bounds = [0.05, 0.95].compactMap { words.quantile($0) }.map { NumberText.fixed($0, 0) }
        let vocabulary = statistics.vocabulary.count
        return [
            name(statistics), NumberText.count(statistics.captions),
            words.mean.map { NumberText.fixed($0, 1) } ?? "", bounds.joined(separator: " to "),
            NumberText.count(vocabulary) + (vocabulary == CaptionStatistics.vocabularyMax ? "+" : ""),
            NumberText.percent(statistics.repeatingShare), NumberText.percent(statistics.closedShare),
            NumberText.percent(statistics.seenBeforeShare),
            statistics.diversity.map(NumberText.percent) ?? "–",
            statistics.equalPairsShare.map(NumberText.percent) ?? "–",
            statistics.scores.mean.map { NumberText.fixed($0, 3) } ?? "–",
        ]
    }

    private func words(_ statistics: CaptionStatistics) -> String {
        let width = Int(statistics.words.width)
        return HistogramFigure(
            title: "Words: \(name(statistics))", note: "", found: statistics.words.shares,
            marks: ["0", "15", "30", "45", "60+"],
            names: statistics.words.counts.indices.map { "\($0 * width) to \($0 * width + width - 1) words" }
        ).html
    }

    private func scores(_ statistics: CaptionStatistics) -> String {
        HistogramFigure(
            title: "Score: \(name(statistics))", note: "cosine with the views",
            found: statistics.scores.shares,
            marks: ["−0.1", "0.05", "0.2", "0.35", "0.5"],
            names: Self.binNames(statistics.scores)
        ).html
    }

    private static func binNames(_ histogram: Histogram) -> [String] {
        histogram.counts.indices.map {
            let low = histogram.range.lowerBound + Double($0) * histogram.width
            return "\(NumberText.fixed(low, 2)) to \(NumberText.fixed(low + histogram.width, 2))"
        }
    }

    // MARK: Views

    func writeViews(_ out: inout HTMLText) {
        guard let views = contents.views, views.stored.views > 0 else { return }
        out.raw("<section>")
        out.heading(
            "Views",
            note: "How the \(NumberText.count(views.stored.views)) stored views are distributed, beside "
                + "\(NumberText.count(views.expected.views)) drawn anew for the same images by the same "
                + "sampler."
        )
        out.raw(
            "<p class=\"key-line\"><i></i>stored<i class=\"line\"></i>expected</p><div class=\"histograms\">")
        let (stored, expected) = (views.stored, views.expected)
        if stored.area.total > 0 {
            out.raw(figure("Area of the crop", stored.area, expected.area, ["0 %", "50 %", "100 %"]))
            out.raw(
                figure("Aspect of the crop", stored.aspect, expected.aspect, ["1 : 1.4", "1 : 1", "1.4 : 1"]))
            out.raw(
                figure("Middle, from the left", stored.middleX, expected.middleX, ["0 %", "50 %", "100 %"]))
            out.raw(
                figure("Middle, from the top", stored.middleY, expected.middleY, ["0 %", "50 %", "100 %"]))
        }
        out.raw("</div>")
        writeOperations(stored, expected, &out)
        let flips = (stored.flips.yes + stored.flips.no, expected.flips.yes + expected.flips.no)
        if flips.0 > 0, flips.1 > 0 {
            let found = NumberText.percent(Double(stored.flips.yes) / Double(flips.0))
            let wanted = NumberText.percent(Double(expected.flips.yes) / Double(flips.1))
            out.raw("<p class=\"quiet\">Flipped: \(found) stored, \(wanted) expected.</p>")
        }
        out.raw("</section>")
    }

    private func figure(
        _ title: String, _ stored: Histogram, _ expected: Histogram, _ marks: [String]
    ) -> String {
        var note = ""
        if let difference = ViewStatistics.difference(stored, expected) {
            let isFine = difference.found <= difference.limit
            note = "differs by \(NumberText.percent(difference.found)), "
            note +=
                isFine ? "as chance does" : "more than the \(NumberText.percent(difference.limit)) of chance"
        }
        return HistogramFigure(
            title: title, note: note, found: stored.shares, expected: expected.shares, marks: marks,
            names: Self.binNames(stored)
        ).html
    }

    private func writeOperations(
        _ stored: ViewStatistics.Distributions, _ expected: ViewStatistics.Distributions,
        _ out: inout HTMLText
    ) {
        let all = (stored.operations.reduce(0, +), expected.operations.reduce(0, +))
        guard all.0 > 0, all.1 > 0 else { return }
        out.raw("<h3>RandAugment's operations</h3>")
        out.table(
            ["Operation", "Stored", "Share", "Expected"], numbers: [1, 2, 3],
            rows: ViewStatistics.operations.enumerated().map { index, name in
                [
                    name, NumberText.count(stored.operations[index]),
                    NumberText.percent(Double(stored.operations[index]) / Double(all.0)),
                    NumberText.percent(Double(expected.operations[index]) / Double(all.1)),
                ]
            })
    }
}
