extension Manifest {
    /// Which samples are taken, by a file of uids such as DataComp's subsets.
    package struct UIDSelection: Sendable, Equatable, Hashable {
        /// The file's path, as written.
        package var uids: String
        /// The field of the sample's `json` that holds its uid.
        package var field: String

        package init(uids: String, field: String = Self.fieldByDefault) {
            self.uids = uids
            self.field = field
        }

        package static let fieldByDefault = "uid"
    }

    /// The dataset's form. It decides the merge's bytes and none of the records'.
    package struct MergeSettings: Sendable, Equatable {
        /// Tars as WebDataset reads them, or a JSON object to the line.
        package enum Format: String, Sendable, CaseIterable { case webdataset, jsonl }
        package enum Layout: String, Sendable, CaseIterable { case split, datacompdr }
        package enum Embeddings: String, Sendable, CaseIterable {
            case npz
            case pthGz = "pth.gz"
        }
        package enum Images: String, Sendable, CaseIterable { case include, omit }
        /// The stages that a sample must have to be merged.
        package enum Require: Sendable, Equatable {
            case all
            case stages([StageID])
        }

        package var format: Format
        package var layout: Layout
        package var embeddings: Embeddings
        package var images: Images
        package var require: Require
        /// Samples with other uids are excluded.
        package var keepUIDs: UIDSelection?
        /// Samples with a lower image-text score are excluded: the cosine of their own text's embedding and
        /// the views', or without a text of their own the best caption's.
        package var minimumScore: Double?
        /// The regular expression that tells which captioners' columns are merged, searched for anywhere in
        /// the column's name; nil takes all.
        package var captions: String?
        /// How many of each sample's views are merged, from the first; nil takes all.
        package var views: Int?

        package init(
            format: Format = .webdataset, layout: Layout = .split, embeddings: Embeddings = .pthGz,
            images: Images = .include, require: Require = .all, keepUIDs: UIDSelection? = nil,
            minimumScore: Double? = nil, captions: String? = nil, views: Int? = nil
        ) {
            self.format = format
            self.layout = layout
            self.embeddings = embeddings
            self.images = images
            self.require = require
            self.keepUIDs = keepUIDs
            self.minimumScore = minimumScore
            self.captions = captions
            self.views = views
        }
    }

    /// The captioners whose captions are merged, in their order.
    package var mergedCaptioners: [CaptionerSettings] {
        guard let pattern = merge.captions else { return captioners }
        do {
            let expression = try Regex(pattern)
            return try captioners.filter { try expression.firstMatch(in: $0.column) != nil }
        } catch {
            preconditionFailure("the parser lets no unreadable expression pass: \(pattern)")
        }
    }

    /// The views that are merged; nil without an ensemble.
    package var mergedViews: Int? { ensemble.map { merge.views ?? $0.views } }
}
