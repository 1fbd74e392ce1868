extension ReportPage {
    /// Samples as they are: image, the views' crops on it, every caption with its score.
    func writeGallery(_ out: inout HTMLText) {
        guard !contents.shown.isEmpty else { return }
        out.raw("<section>")
        out.heading(
            "Samples",
            note:
                "Each frame is what one augmented view took of the image. The number behind a text is its "
                + "mean cosine with the views; green is the nearest caption, red the farthest.")
        out.raw("<div class=\"gallery\">")
        for shown in contents.shown { write(shown, &out) }
        out.raw("</div></section>")
    }

    private func write(_ shown: ReportContents.Shown, _ out: inout HTMLText) {
        out.raw("<article class=\"sample\"><div class=\"picture\">")
        if let picture = shown.picture {
            var svg = "<svg viewBox=\"0 0 \(shown.width) \(shown.height)\" preserveAspectRatio=\"none\" "
            svg += "aria-hidden=\"true\">"
            for (index, box) in shown.boxes.enumerated() {
                svg += "<rect class=\"c\(index % 8)\" x=\"\(box.left)\" y=\"\(box.top)\" "
                svg += "width=\"\(box.width)\" height=\"\(box.height)\"/>"
            }
            out.raw("<div class=\"frame\">")
            out.raw(
                "<img src=\"\(picture)\" alt=\"\(HTMLText.escaped(shown.sample.key))\">\(svg)</svg></div>")
        } else {
            out.raw("<div class=\"none quiet\">no image that can be shown</div>")
        }
        out.raw("</div>")
        let size = shown.picture == nil ? "" : "  \(shown.width) × \(shown.height)"
        out.raw(
            "<p class=\"key\">\(HTMLText.escaped(shown.sample.key))<span class=\"quiet\">\(size)</span></p>"
                + "<ul class=\"texts\">")
        let captions = shown.sample.texts.filter { $0.column != ReportSample.ownColumn }.flatMap(\.scores)
        let (nearest, farthest) = (captions.max(), captions.min())
        for texts in shown.sample.texts {
            let name = texts.column == ReportSample.ownColumn ? "the sample's own" : texts.column
            out.raw("<li class=\"column\">\(HTMLText.escaped(name))</li>")
            for (index, text) in texts.texts.enumerated() {
                let score = texts.scores.indices.contains(index) ? texts.scores[index] : nil
                var mark = ""
                if let score, texts.column != ReportSample.ownColumn, captions.count > 1 {
                    mark =
                        score == nearest
                        ? " class=\"nearest\"" : score == farthest ? " class=\"farthest\"" : ""
                }
                let number = score.map { NumberText.fixed($0, 3) } ?? ""
                out.raw(
                    "<li\(mark)><span class=\"what\">\(HTMLText.escaped(text))</span>"
                        + "<span class=\"score\">\(number)</span></li>")
            }
        }
        out.raw("</ul></article>")
    }
}
