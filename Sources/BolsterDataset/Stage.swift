import BolsterDeterminism

/// The name of a stage, as it stands in records, on the wire and in folder names.
///
///     captions.<column>      a captioner, e.g. captions.syn_text_coca
///     views                  the ensemble's image stage
///     texts.ground_truth     the ensemble over the texts of the source
///     texts.<column>         the ensemble over one captioner's captions
package struct StageID: Hashable, Sendable, CustomStringConvertible, Comparable {
    package let name: String
    package init(_ name: String) { self.name = name }

    package static let views = StageID("views")
    package static let groundTruth = StageID("texts.ground_truth")
    package static func captions(column: String) -> StageID { StageID("captions.\(column)") }
    package static func texts(column: String) -> StageID { StageID("texts.\(column)") }

    package var description: String { name }
    package static func < (left: StageID, right: StageID) -> Bool { left.name < right.name }
}

/// One captioner's or one ensemble's work over all shards.
package struct Stage: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// The captioner at this position of the manifest's list.
        case captions(captioner: Int)
        case views
        /// The source's own texts.
        case groundTruthTexts
        /// The captions of the captioner at this position.
        case captionTexts(captioner: Int)
    }

    package let id: StageID
    package let kind: Kind
    /// SHA-256 over everything that decides this stage's bytes.
    package let fingerprint: SHA256Digest
    /// The stage whose unit on the same shard must be done first.
    package let reads: StageID?

    package init(id: StageID, kind: Kind, fingerprint: SHA256Digest, reads: StageID?) {
        self.id = id
        self.kind = kind
        self.fingerprint = fingerprint
        self.reads = reads
    }
}
