import BolsterDeterminism

/// Why a sample has no value in a chunk. A bad sample is data: its reason travels into the coverage report.
package struct Skip: Sendable, Equatable, Hashable {
    /// Stable and snake_case, e.g. "undecodable_image".
    package let reason: String
    /// For a person; may be "".
    package let detail: String

    package init(reason: String, detail: String = "") {
        self.reason = reason
        self.detail = detail
    }
}

/// Everything that one stage made for one chunk of samples.
///
/// Invariants, checked before encoding and after decoding: `keys`, `skips` and every column have
/// `header.samples` values; column names differ; a tensor has as many bytes as its rows need.
package struct RecordFile: Sendable, Equatable {
    package let header: RecordHeader
    /// The samples' keys, in the shard's order.
    package let keys: [String]
    /// Nil for a sample that has its values.
    package let skips: [Skip?]
    package let columns: [RecordColumn]

    package init(header: RecordHeader, keys: [String], skips: [Skip?], columns: [RecordColumn]) {
        self.header = header
        self.keys = keys
        self.skips = skips
        self.columns = columns
    }

    package func column(_ name: String) -> RecordColumn? {
        columns.first { $0.name == name }
    }

    /// What names a record file in commits and in the headers of files computed from it: XXH64 of the whole
    /// file in sixteen hexadecimal digits.
    package static func digest(of file: [UInt8]) -> String {
        Hexadecimal.text(of: XXH64Hasher.hash(of: file))
    }

    /// The first broken invariant, if any.
    func mistake() -> String? {
        let samples = header.samples
        guard (0...RecordLimits.samplesMax).contains(samples) else {
            return "the header counts \(samples) samples"
        }
        guard keys.count == samples else { return "there are \(keys.count) keys for \(samples) samples" }
        guard skips.count == samples else { return "there are \(skips.count) skips for \(samples) samples" }
        guard columns.count <= RecordLimits.columnsMax else { return "there are \(columns.count) columns" }
        var names: Set<String> = [Self.keyColumn, Self.skipColumn]
        for column in columns {
            guard names.insert(column.name).inserted else {
                return "the column name \"\(column.name)\" is taken"
            }
            if let mistake = column.mistake(samples: samples) {
                return "the column \"\(column.name)\" \(mistake)"
            }
        }
        return nil
    }

    /// The names under which keys and skips are stored.
    static let keyColumn = "key"
    static let skipColumn = "skip"
}

/// The layout of a record file. All numbers are little-endian; RecordFile.md is the specification.
///
///     0   8  magic 89 42 4C 52 45 43 0D 0A ("\x89BLREC\r\n")
///     8   4  format version
///     12  4  bytes of the header, H
///     16  8  bytes of the whole file
///     24  H  header: JSON {"columns": […], "record": {…}}
///         …  the columns' frames, in the header's order
///         8  XXH64 of everything before
enum RecordLayout {
    static let magic: [UInt8] = [0x89, 0x42, 0x4C, 0x52, 0x45, 0x43, 0x0D, 0x0A]
    static let version: UInt32 = 1
    static let prefixBytes = 24
    static let trailerBytes = 8

    struct Head: Codable {
        var columns: [Column]
        var record: RecordHeader
    }

    /// Where a column's bytes are: first a frame of one UInt32 per sample (a text's length in bytes, a
    /// tensor's rows), then a frame of the texts or the numbers.
    struct Column: Codable {
        enum Kind: String, Codable {
            case text, bf16, fp32
        }
        var name: String
        var type: Kind
        /// Bytes of the first frame.
        var counts: Int
        /// Bytes of the second.
        var values: Int
        /// Bytes of all texts, or of all numbers.
        var bytes: Int
        /// Numbers in a row of a tensor.
        var width: Int?
        /// The exponents that occur, by rank.
        var exponents: [UInt8]?
    }
}
