import CZlib

/// Gzip (RFC 1952) in, plain bytes out, in pieces of any size. Several members one after the other give their
/// contents one after the other, as gzip itself has it; zeros may follow the last.
package struct GzipDecoder: ~Copyable, StreamDecoder {
    private enum State {
        /// Before a member; `isFirst` where none has been yet.
        case between(isFirst: Bool)
        case inside
        /// Zeros have come after a member, and nothing else may.
        case padding
    }

    /// On the heap, as zlib keeps the address.
    private let stream: UnsafeMutablePointer<z_stream>
    private var state = State.between(isFirst: true)
    /// Compressed bytes taken so far.
    private var offset: Int64 = 0
    /// Found behind bytes that were given first; thrown from then on.
    private var failure: CompressionError?

    package init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 16 added to the window's bits asks for the gzip wrapper.
        let begun = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard begun == Z_OK else {
            fatalError("zlib cannot begin (\(begun)): out of memory, or of another version")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    package mutating func decode(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) -> DecodingStep {
        if let failure { throw failure }
        var step = DecodingStep(consumed: 0, produced: 0)
        do {
            try decode(input, into: output, &step)
        } catch {
            failure = error
            if step.produced == 0 { throw error }
        }
        return step
    }

    private mutating func decode(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer,
        _ step: inout DecodingStep
    ) throws(CompressionError) {
        while step.consumed < input.count, step.produced < output.count {
            let rest = UnsafeRawBufferPointer(rebasing: input[step.consumed...])
            switch state {
            case .between(let isFirst):
                // Only behind a member may zeros stand for nothing.
                if !isFirst, rest[0] == 0 {
                    state = .padding
                } else {
                    inflateReset(stream)
                    state = .inside
                }
            case .padding:
                let zeros = rest.prefix { $0 == 0 }.count
                step.consumed += zeros
                offset += Int64(zeros)
                guard zeros == rest.count else {
                    throw error(
                        .damaged, "neither zeros nor another gzip member follow the first; write it again")
                }
            case .inside:
                try inflateInside(rest, output, &step)
            }
        }
    }

    private mutating func inflateInside(
        _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, _ step: inout DecodingStep
    ) throws(CompressionError) {
        // zlib counts in 32 bits; what is over comes with the next round.
        let inputCount = min(input.count, 1 << 30)
        let outputCount = min(output.count - step.produced, 1 << 30)
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(inputCount)
        stream.pointee.next_out = output.baseAddress?.advanced(by: step.produced).assumingMemoryBound(
            to: UInt8.self)
        stream.pointee.avail_out = UInt32(outputCount)
        let status = inflate(stream, Z_NO_FLUSH)
        let consumed = inputCount - Int(stream.pointee.avail_in)
        step.consumed += consumed
        step.produced += outputCount - Int(stream.pointee.avail_out)
        offset += Int64(consumed)
        switch status {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: state = .between(isFirst: false)
        case Z_MEM_ERROR: fatalError("out of memory for zlib's window of 32 KiB")
        default:
            let reason = stream.pointee.msg.map { String(cString: $0) } ?? "status \(status)"
            throw error(.damaged, "the gzip stream is damaged (\(reason)); copy or write the file again")
        }
    }

    package borrowing func finish() throws(CompressionError) {
        if let failure { throw failure }
        switch state {
        case .inside: throw error(.truncated, "the gzip stream is truncated; copy or write the file again")
        case .between(isFirst: true): throw error(.truncated, "the file is empty, without even a gzip header")
        case .between(isFirst: false), .padding: return
        }
    }

    private borrowing func error(_ code: CompressionError.Code, _ message: String) -> CompressionError {
        CompressionError(code: code, message: message, offset: offset)
    }
}
