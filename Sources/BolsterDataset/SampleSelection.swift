import BolsterDeterminism

/// Which samples a run works on: those whose uid a file names. A sample that is not selected keeps its place
/// in its shard and its chunk, and every stage's record says of it that it was not selected.
package struct SampleSelection: Sendable {
    /// The field of a sample's JSON that holds its uid; `keyField` for the sample's key.
    package let field: String
    package let uids: UIDSet

    package init(field: String, uids: UIDSet) {
        self.field = field
        self.uids = uids
    }

    /// Stands for the sample's key, as webdataset calls it.
    package static let keyField = "__key__"

    /// What records hold as the reason of such a sample's absence, and a merge counts as excluded.
    package static let reason = "not_selected"

    package func takes(_ sample: Sample) -> Bool {
        guard let uid = sample.uid(field: field) else { return false }
        return uids.contains(uid)
    }

    /// What a stage's fingerprint covers.
    package var line: String { "selection \(field) \(uids.digest.hex)" }
}
