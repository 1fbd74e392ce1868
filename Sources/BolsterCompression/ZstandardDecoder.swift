import CZstd

/// Zstandard (RFC 8878) in, plain bytes out, in pieces of any size. Several frames one after the other give
/// their contents one after the other; skippable frames give nothing.
package struct ZstandardDecoder: ~Copyable, StreamDecoder {
    private let stream: OpaquePointer
    /// Compressed bytes taken so far.
    private var offset: Int64 = 0
    /// Whether a frame is begun and not ended.
    private var isInside = false
    /// Whether the output was full last, so that more may come without input.
    private var mayHoldBack = false
    /// Found behind bytes that were given first; thrown from then on.
    private var failure: CompressionError?

    /// Frames that ask for a larger window (2^27 bytes, what zstd --ultra uses at most by default) are
    /// refused: memory must be bounded whatever a shard says.
    private static let windowLogMax: Int32 = 27

    package init() {
        guard let stream = ZSTD_createDStream() else { fatalError("out of memory for zstd's window") }
        self.stream = stream
        let status = ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, Self.windowLogMax)
        precondition(ZSTD_isError(status) == 0, "this zstd knows no window of 128 MiB")
    }

    deinit { ZSTD_freeDStream(stream) }

    package mutating func decode(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) -> DecodingStep {
        if let failure { throw failure }
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        while target.pos < output.count, source.pos < source.size || mayHoldBack {
            let before = source.pos
            // One block at a time: what a failing call has put out is not told.
            target.size = min(output.count, target.pos + Self.blockBytesMax)
            let left = ZSTD_decompressStream(stream, &target, &source)
            offset += Int64(source.pos - before)
            guard ZSTD_isError(left) == 0 else {
                let reason = String(cString: ZSTD_getErrorName(left))
                let found = error(
                    .damaged, "the zstd stream is damaged (\(reason)); copy or write the file again")
                failure = found
                if target.pos == 0 { throw found }
                break
            }
            isInside = left != 0
            mayHoldBack = isInside && target.pos == target.size
        }
        return DecodingStep(consumed: source.pos, produced: target.pos)
    }

    /// RFC 8878, 3.1.1.2.4: the most that a block holds.
    private static let blockBytesMax = 128 << 10

    package borrowing func finish() throws(CompressionError) {
        if let failure { throw failure }
        guard offset > 0 else { throw error(.truncated, "the file is empty, without even a zstd header") }
        guard !isInside else {
            throw error(.truncated, "the zstd stream is truncated; copy or write the file again")
        }
    }

    private borrowing func error(_ code: CompressionError.Code, _ message: String) -> CompressionError {
        CompressionError(code: code, message: message, offset: offset)
    }
}
