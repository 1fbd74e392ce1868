/// The report as one HTML file that needs nothing else: styles, pictures and charts are in it, and no script.
package struct ReportPage {
    let contents: ReportContents
    /// "0.1.0"
    let version: String

    package init(_ contents: ReportContents, version: String) {
        self.contents = contents
        self.version = version
    }

    package var html: String {
        var out = HTMLText()
        let name = HTMLText.escaped(contents.dataset.name)
        out.raw(
            """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark"><title>\(name): report</title>
            <link rel="icon" href="data:,">
            <style>
            \(String(decoding: PackageResources.report_css, as: UTF8.self))</style></head><body>
            <header><h1>\(name)</h1><p class="quiet">\(HTMLText.escaped(subtitle))</p></header><main>
            """)
        writeOverview(&out)
        writeGallery(&out)
        writeCaptions(&out)
        writeViews(&out)
        writeCost(&out)
        writeTokens(&out)
        out.raw("</main><footer>bolster \(HTMLText.escaped(version))</footer></body></html>")
        return out.html
    }

    private var subtitle: String {
        let all = contents.dataset.shards.reduce(0) { $0 + $1.samples }
        let counted = NumberText.count(contents.samples)
        return contents.samples == all
            ? "a reinforced dataset; every number is of all \(counted) samples"
            : "a reinforced dataset; texts and views are counted on \(counted) of \(NumberText.count(all)) "
                + "samples, spread over \(NumberText.count(contents.shards)) shards"
    }

    // MARK: What became of the input

    private func writeOverview(_ out: inout HTMLText) {
        let dataset = contents.dataset
        let merged = dataset.shards.reduce(0) { $0 + $1.samples }
        var figures = [
            (
                NumberText.count(merged),
                dataset.shards.count == 1
                    ? "samples in one shard" : "samples in \(NumberText.count(dataset.shards.count)) shards"
            ),
            ("\(dataset.columns.count)", dataset.columns.count == 1 ? "captioner" : "captioners"),
            ("\(dataset.teachers.count)", dataset.teachers.count == 1 ? "teacher" : "teachers"),
        ]
        if let views = dataset.views { figures.append(("\(views)", "augmented views an image")) }
        if let coverage = dataset.coverage, coverage.input > 0 {
            let part = Double(coverage.merged) / Double(coverage.input)
            figures.append((NumberText.percent(part), "of the input's samples"))
        }
        if let total = contents.cost?.total {
            figures.append((NumberText.money(total), "cost at the given prices"))
        }
        out.raw("<section><div class=\"figures\">")
        for (value, label) in figures {
            out.raw("<div><b>\(HTMLText.escaped(value))</b><span>\(HTMLText.escaped(label))</span></div>")
        }
        out.raw("</div>")
        if let coverage = dataset.coverage { writeCoverage(coverage, &out) }
        if !dataset.teachers.isEmpty {
            let teachers = dataset.teachers.map { "\($0.name) (\($0.width))" }.joined(separator: ", ")
            out.raw(
                "<p class=\"quiet\">Teachers, in their order and with their widths: "
                    + "\(HTMLText.escaped(teachers)).</p>")
        }
        out.raw("</section>")
    }

    private func writeCoverage(_ coverage: ReportDataset.Coverage, _ out: inout HTMLText) {
        let parts = [
            (coverage.merged, "merged", "var(--good)"), (coverage.excluded, "excluded", "var(--quiet)"),
            (coverage.skipped, "skipped", "var(--expected)"), (coverage.missing, "missing", "var(--bad)"),
        ]
        out.raw("<h3>What became of \(NumberText.count(coverage.input)) input samples</h3>")
        var svg =
            "<div class=\"parts\"><svg viewBox=\"0 0 1000 12\" preserveAspectRatio=\"none\" role=\"img\" "
        svg += "aria-label=\"Parts of the input\">"
        var left = 0.0
        for (count, name, colour) in parts where count > 0 {
            let width = 1000 * Double(count) / Double(max(1, coverage.input))
            svg += "<rect x=\"\(left)\" y=\"0\" width=\"\(width)\" height=\"12\" fill=\"\(colour)\">"
            svg += "<title>\(name) \(NumberText.count(count))</title></rect>"
            left += width
        }
        out.raw(svg + "</svg></div>")
        let counts = parts.map { "\(NumberText.count($0.0)) \($0.1)" }.joined(separator: ", ")
        out.raw("<p class=\"quiet\">\(counts)</p>")
        guard !coverage.reasons.isEmpty else { return }
        out.table(
            ["Stage", "Reason", "Samples"], numbers: [2],
            rows: coverage.reasons.map { [$0.stage, $0.reason, NumberText.count($0.count)] })
    }

    // MARK: Cost

    private func writeTokens(_ out: inout HTMLText) {
        guard let coverage = contents.dataset.coverage, !coverage.tokens.isEmpty else { return }
        out.raw("<section>")
        out.heading(
            "Tokens",
            note: "What the captioners' endpoints counted for the chunks that were merged, images included; "
                + "retries and lost chunks are not in it.")
        let inputs = max(1, coverage.input)
        out.table(
            ["Stage", "Prompt tokens", "Caption tokens", "Prompt a sample", "Captions a sample"],
            numbers: [1, 2, 3, 4],
            rows: coverage.tokens.map { stage in
                [
                    stage.stage, NumberText.count(stage.prompt), NumberText.count(stage.completion),
                    NumberText.fixed(Double(stage.prompt) / Double(inputs), 1),
                    NumberText.fixed(Double(stage.completion) / Double(inputs), 1),
                ]
            })
        out.raw("</section>")
    }

    private func writeCost(_ out: inout HTMLText) {
        guard let cost = contents.cost else { return }
        out.raw("<section>")
        out.heading(
            "Cost",
            note: "Device time of committed chunks. What workers held also counts loading, waiting and lost "
                + "work" + (cost.prices.isEmpty ? "." : ", and is what the price is taken of."))
        let isPriced = !cost.prices.isEmpty
        func priced(_ cells: [String], _ device: String, _ seconds: Double) -> [String] {
            isPriced ? cells + [cost.price(device, seconds).map { NumberText.money($0) } ?? ""] : cells
        }
        var rows = cost.uses.map { use in
            let million = use.samples > 0 ? use.seconds / Double(use.samples) * 1e6 : 0
            return priced(
                [
                    use.stage, use.models.joined(separator: ", "), use.device, NumberText.count(use.samples),
                    NumberText.hours(use.seconds), NumberText.hours(million),
                ], use.device, use.seconds)
        }
        rows += cost.held.map { held in
            priced(
                ["held by workers", "", held.device, "", NumberText.hours(held.seconds), ""], held.device,
                held.seconds)
        }
        let columns = ["Stage", "Models", "Device", "Samples", "Device-hours", "Per million"]
        out.table(columns + (isPriced ? ["Cost"] : []), numbers: [3, 4, 5, 6], rows: rows)
        let merged = contents.dataset.shards.reduce(0) { $0 + $1.samples }
        if merged > 0, cost.heldSeconds > 0 {
            let million = cost.heldSeconds / Double(merged) * 1e6
            var text = "A million merged samples took \(NumberText.hours(million)) device-hours"
            if let total = cost.total {
                text += " and cost \(NumberText.money(total / Double(merged) * 1e6))"
            }
            out.raw("<p class=\"quiet\">\(HTMLText.escaped(text)).</p>")
        }
        out.raw("</section>")
    }
}
