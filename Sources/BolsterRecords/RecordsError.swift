/// What went wrong while reading or writing record files and the dataset's encodings.
package struct RecordsError: Error, CustomStringConvertible, Equatable, Sendable {
    package enum Code: String, Sendable {
        /// The bytes are not in this format at all.
        case notARecordFile = "not_a_record_file"
        /// A version that this program does not read.
        case version
        /// The end is missing, or something follows it.
        case truncated
        /// The checksum does not match the bytes.
        case damaged
        /// The checksum matches, but the content contradicts itself or exceeds a stated limit.
        case malformed
        /// The value to be encoded contradicts itself.
        case inconsistent
    }

    package let code: Code
    /// Names the file, the place and what was expected.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
