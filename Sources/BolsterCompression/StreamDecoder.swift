/// Compressed bytes in, plain bytes out, in pieces of any size.
package protocol StreamDecoder: ~Copyable {
    /// Decodes until the input is taken or the output full; either may be so first. A step that neither takes
    /// nor gives says that the other side's buffer is empty or full.
    /// Damage is thrown behind all bytes before it: by the next call where this one gives some.
    mutating func decode(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) -> DecodingStep

    /// Says that there is no more input; throws where the stream has not ended.
    borrowing func finish() throws(CompressionError)
}

/// What one call of a decoder took and gave.
package struct DecodingStep: Equatable, Sendable {
    package var consumed: Int
    package var produced: Int
}
