import CLZ4

/// LZ4 frames (the frame format's version 1.6) of independent 64 KiB blocks, with the content's size and
/// without checksums of their own: the record file's trailer covers them.
enum LZ4Frame {
    /// The most that one block holds before compression.
    static let blockBytes = 1 << 16

    static func compressed(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var writer = LZ4FrameWriter(contentBytes: bytes.count)
        for start in stride(from: 0, to: bytes.count, by: blockBytes) {
            let block = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + blockBytes, bytes.count)])
            writer.append(block)
        }
        return writer.finish()
    }

    /// All of a frame that must hold `contentBytes`; `place` names it in errors.
    static func decompressed(
        _ frame: UnsafeRawBufferPointer, contentBytes: Int, place: String
    ) throws(RecordsError) -> [UInt8] {
        var reader = try LZ4FrameReader(frame, contentBytes: contentBytes, place: place)
        var bytes = [UInt8](repeating: 0, count: contentBytes)
        var failure: RecordsError?
        bytes.withUnsafeMutableBytes { out in
            do throws(RecordsError) {
                try reader.read(into: out)
                try reader.finish()
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}

/// Writes one frame, block by block, without a copy of its input. Running out of memory ends the process.
struct LZ4FrameWriter: ~Copyable {
    private let context: OpaquePointer
    private var frame: [UInt8]
    private var preferences: LZ4F_preferences_t

    init(contentBytes: Int) {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createCompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context
        else {
            fatalError("out of memory for an LZ4 compression state")
        }
        self.context = context
        preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        preferences.frameInfo.contentSize = UInt64(contentBytes)
        preferences.autoFlush = 1
        frame = []
        frame.reserveCapacity(contentBytes + contentBytes / 1024 + 64)
        let headerMax = Int(LZ4F_HEADER_SIZE_MAX)
        write(atMost: headerMax) { [preferences] context, out in
            withUnsafePointer(to: preferences) { LZ4F_compressBegin(context, out, headerMax, $0) }
        }
    }

    deinit { LZ4F_freeCompressionContext(context) }

    /// At most `LZ4Frame.blockBytes`; every block but the last is full.
    mutating func append(_ block: UnsafeRawBufferPointer) {
        precondition(block.count <= LZ4Frame.blockBytes, "a block of \(block.count) bytes is over 64 KiB")
        guard !block.isEmpty else { return }
        let bound = withUnsafePointer(to: preferences) { LZ4F_compressBound(block.count, $0) }
        write(atMost: bound) { context, out in
            LZ4F_compressUpdate(context, out, bound, block.baseAddress, block.count, nil)
        }
    }

    consuming func finish() -> [UInt8] {
        write(atMost: 16) { context, out in LZ4F_compressEnd(context, out, 16, nil) }
        return frame
    }

    private mutating func write(atMost bound: Int, _ body: (OpaquePointer, UnsafeMutableRawPointer) -> Int) {
        withUnsafeTemporaryAllocation(byteCount: bound, alignment: 16) { scratch in
            guard let start = scratch.baseAddress else { return }
            let written = body(context, start)
            // The sizes are right by construction; what is left is memory, or a mistake of ours.
            guard LZ4F_isError(written) == 0 else {
                fatalError("LZ4 refused to compress: \(String(cString: LZ4F_getErrorName(written)))")
            }
            frame.append(contentsOf: UnsafeRawBufferPointer(start: start, count: written))
        }
    }
}

/// Reads one frame front to back into buffers of the caller's sizes.
struct LZ4FrameReader: ~Copyable {
    private let context: OpaquePointer
    private let frame: UnsafeRawBufferPointer
    private let place: String
    private var used = 0
    private var pending = 1

    /// `frame` must outlive the reader. Refuses a frame that does not promise exactly `contentBytes`.
    init(_ frame: UnsafeRawBufferPointer, contentBytes: Int, place: String) throws(RecordsError) {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context
        else { fatalError("out of memory for an LZ4 decompression state") }
        var info = LZ4F_frameInfo_t()
        var size = frame.count
        let hint = LZ4F_getFrameInfo(context, &info, frame.baseAddress, &size)
        self.context = context
        self.frame = frame
        self.place = place
        used = size
        guard LZ4F_isError(hint) == 0 else {
            throw RecordsError(
                .malformed, "\(place) is no LZ4 frame: \(String(cString: LZ4F_getErrorName(hint)))")
        }
        guard info.contentSize == UInt64(contentBytes) else {
            throw RecordsError(
                .malformed,
                "\(place) promises \(info.contentSize) bytes where the header says \(contentBytes)")
        }
    }

    deinit { LZ4F_freeDecompressionContext(context) }

    /// Fills `out` or throws.
    mutating func read(into out: UnsafeMutableRawBufferPointer) throws(RecordsError) {
        var filled = 0
        while filled < out.count {
            var wanted = out.count - filled
            var given = frame.count - used
            pending = LZ4F_decompress(
                context, out.baseAddress?.advanced(by: filled), &wanted,
                frame.baseAddress?.advanced(by: used),
                &given, nil)
            guard LZ4F_isError(pending) == 0 else {
                throw RecordsError(
                    .malformed, "\(place) is damaged inside: \(String(cString: LZ4F_getErrorName(pending)))")
            }
            filled += wanted
            used += given
            guard wanted > 0 || given > 0 else {
                throw RecordsError(
                    .malformed, "\(place) ends after \(filled) bytes of a block of \(out.count)")
            }
        }
    }

    /// Checks that the frame ends here and fills its room exactly.
    mutating func finish() throws(RecordsError) {
        var nothing = 0
        while pending != 0 {
            var given = frame.count - used
            pending = LZ4F_decompress(
                context, nil, &nothing, frame.baseAddress?.advanced(by: used), &given, nil)
            used += given
            guard LZ4F_isError(pending) == 0, given > 0 || pending == 0 else {
                throw RecordsError(.malformed, "\(place) has no end mark")
            }
        }
        guard used == frame.count else {
            throw RecordsError(
                .malformed, "\(place) is followed by \(frame.count - used) bytes that belong to nothing")
        }
    }
}
