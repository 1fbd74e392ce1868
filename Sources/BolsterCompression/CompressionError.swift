/// What this module throws: compressed bytes that are not what they ought to be.
package struct CompressionError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, Equatable {
        /// Bytes that no compressor wrote, or a wrong checksum.
        case damaged
        /// The bytes end before their stream does.
        case truncated
    }

    package var code: Code
    /// Says what is wrong and what to do about it.
    package var message: String
    /// The byte of the compressed input where it shows.
    package var offset: Int64

    package var description: String { "byte \(offset): \(message)" }
}
