/// Bytes of a tar in, samples out; holds one sample at a time, whatever the shard's size.
///
///     ┌──────── sample "dir/0001" ────────┐┌──── sample "dir/0002" ─
///     │[x hdr][pax][hdr][0001.jpg ▒][hdr]…││[hdr][0002.jpg ▒][hdr]…   [zero][zero]
///     ▲ start                          end ▲
///
/// Bytes are pushed with `append` in pieces of any size, and `finish` says that there are no more. Samples
/// come out of `next` in the archive's order, each when what follows it proves it complete. All samples
/// before a damage come out before `next` throws it, and it goes on throwing.
///
/// A key is the member's name up to the first dot of its base name (webdataset's rule); members without one
/// are passed over, as are directories. Links and sparse files are refused: their content is elsewhere, and
/// to pass over them would lose a sample's image silently. So is an archive that ends without its end marker,
/// which is what a truncation at a member's border looks like, and one with anything but zeros after it,
/// which is what concatenated archives look like.
package struct TarSampleReader {
    /// What the next byte belongs to.
    private enum Expecting {
        case header
        /// A file's bytes into `body`, `remaining` of them, then `padding`.
        case content(MemberName, remaining: Int64, padding: Int64)
        /// An extended header's bytes into `body`.
        case extended(TarHeader.Kind, remaining: Int64, padding: Int64)
        case skipped(remaining: Int64)
        /// Zeros until the end.
        case end
    }

    private let shard: String
    private let limits: Limits
    private var expecting = Expecting.header
    /// The offset of the next byte to come.
    private var offset: Int64
    /// The header that has come in part; `offset` stands at its first byte.
    private var block: [UInt8] = []
    private var body: [UInt8] = []
    /// From the extended headers before the member that comes.
    private var pending = PendingHeader()
    private var current: Sample?
    private var currentBytes: Int64 = 0
    /// Where the members of `current` begin.
    private var memberOffsets: [Int64] = []
    private var nextIndex: Int
    private var keys: SeenKeys
    private var queue = SampleQueue()
    private var isFinished = false

    /// Starts at `startOffset` of the shard, which must be 0, a sample's start or the end of the one before,
    /// where the sample `firstSample` begins. Keys before it are not known, so that one of them that comes
    /// back
    /// is found by a reading from the shard's start only, such as the merge's.
    package init(shard: String, firstSample: Int = 0, startOffset: Int64 = 0, limits: Limits = Limits()) {
        self.shard = shard
        self.limits = limits
        nextIndex = firstSample
        offset = startOffset
        keys = SeenKeys(countMax: limits.keysMax)
    }

    /// Takes the bytes that follow the last ones. They are copied once, into their member.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(!isFinished, "bytes after the end of the shard was declared")
        guard queue.failure == nil else { return }
        do {
            var rest = bytes[...]
            while !rest.isEmpty {
                let taken = try consume(UnsafeRawBufferPointer(rebasing: rest))
                rest = rest.dropFirst(taken)
            }
        } catch {
            queue.failure = error
        }
    }

    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Says that the shard has no more bytes.
    package mutating func finish() {
        guard !isFinished else { return }
        isFinished = true
        guard queue.failure == nil else { return }
        if case .end = expecting { return }
        queue.failure = truncation()
    }

    /// The next sample; nil where it needs more bytes or, after `finish`, at the end. Throws what is wrong
    /// with the shard once every sample before it is out.
    package mutating func next() throws(DatasetError) -> Sample? { try queue.next() }

    // MARK: Bytes

    /// Takes what it can of the bytes (at least one) for what is expected next.
    private mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(DatasetError) -> Int {
        switch expecting {
        case .header:
            return try consumeHeader(bytes)
        case .content(let name, let remaining, let padding):
            let taken = take(bytes, remaining)
            if remaining > taken {
                expecting = .content(name, remaining: remaining - taken, padding: padding)
            } else {
                try endContent(name, padding: padding)
            }
            return Int(taken)
        case .extended(let kind, let remaining, let padding):
            let taken = take(bytes, remaining)
            if remaining > taken {
                expecting = .extended(kind, remaining: remaining - taken, padding: padding)
            } else {
                try endExtension(kind, padding: padding)
            }
            return Int(taken)
        case .skipped(let remaining):
            let taken = min(remaining, Int64(bytes.count))
            offset += taken
            expecting = remaining > taken ? .skipped(remaining: remaining - taken) : .header
            return Int(taken)
        case .end:
            if let place = bytes.firstIndex(where: { $0 != 0 }) {
                throw DatasetError(
                    .damagedShard, source: shard, offset: offset + Int64(place),
                    "data follows the end of the archive; were two tars concatenated? Write them as one"
                )
            }
            offset += Int64(bytes.count)
            return bytes.count
        }
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, _ remaining: Int64) -> Int64 {
        let taken = min(remaining, Int64(bytes.count))
        body.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<Int(taken)]))
        offset += taken
        return taken
    }

    private mutating func consumeHeader(_ bytes: UnsafeRawBufferPointer) throws(DatasetError) -> Int {
        let taken = min(TarHeader.bytesCount - block.count, bytes.count)
        block.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<taken]))
        if block.count == TarHeader.bytesCount {
            try endHeader()
            offset += Int64(TarHeader.bytesCount)
            block.removeAll(keepingCapacity: true)
        }
        return taken
    }

    // MARK: Headers, at the offset where they begin

    private mutating func endHeader() throws(DatasetError) {
        if TarHeader.isZero(block) {
            guard pending.start == nil else { throw damage("an extended header with no member after it") }
            completeCurrent()
            expecting = .end
            return
        }
        let header: TarHeader
        do {
            header = try TarHeader(block)
        } catch {
            switch error {
            case .checksum:
                throw damage(
                    "no member's header: its checksum is wrong. The shard is damaged, or no tar; copy or "
                        + "write it again"
                )
            case .size:
                throw damage(
                    "a member's header states no readable size. The shard is damaged; write it again")
            }
        }
        switch header.kind {
        case .file:
            try beginFile(header)
        case .passedOver:
            let size = header.size
            pending = PendingHeader()
            expecting = Self.skipping(size + Self.padding(of: size))
        case .longLink:
            if pending.start == nil { pending.start = offset }
            expecting = Self.skipping(header.size + Self.padding(of: header.size))
        case .pax, .globalPax, .longName:
            if pending.start == nil { pending.start = offset }
            guard header.size <= limits.headerBytesMax else {
                throw tooLarge("an extended header", header.size, limits.headerBytesMax)
            }
            body = []
            expecting = .extended(header.kind, remaining: header.size, padding: Self.padding(of: header.size))
        case .hardLink, .symbolicLink:
            throw unsupported(
                header,
                "is a link, whose content is elsewhere; write the shard with tar's --dereference "
                    + "--hard-dereference, or from plain files")
        case .sparse:
            throw unsupported(header, "is a sparse file; write the shard without tar's --sparse")
        case .unknown(UInt8(ascii: "M")):
            throw unsupported(
                header,
                "goes on from another volume of the archive; write the shard as one tar, without tar's "
                    + "--multi-volume")
        case .unknown(let type):
            throw unsupported(
                header, "has type byte \(type), which no sample's file has; write the shard again")
        }
    }

    private mutating func endExtension(_ kind: TarHeader.Kind, padding: Int64) throws(DatasetError) {
        switch kind {
        case .longName:
            pending.name = Array(body.prefix { $0 != 0 })
        case .pax, .globalPax:
            guard let records = PaxRecords(body) else { throw damage("a pax header that does not parse") }
            if kind == .globalPax {
                guard records.path == nil, records.size == nil, !records.isSparse else {
                    throw damage("a global pax header with a path or size, which would hold for every member")
                }
                // It belongs to no member: a sample that follows begins after it.
                pending.start = nil
            } else {
                if let path = records.path { pending.name = path }
                if let size = records.size { pending.size = size }
                pending.isSparse = pending.isSparse || records.isSparse
            }
        case .file, .passedOver, .longLink, .hardLink, .symbolicLink, .sparse, .unknown:
            preconditionFailure("no extended header")
        }
        body = []
        expecting = Self.skipping(padding)
    }

    // MARK: Members

    private mutating func beginFile(_ header: TarHeader) throws(DatasetError) {
        let start = pending.start ?? offset
        let size = pending.size ?? header.size
        let rawName = pending.name ?? header.name
        if pending.isSparse {
            throw unsupported(header, "is a sparse file; write the shard without tar's --sparse")
        }
        pending = PendingHeader()
        let padding = Self.padding(of: size)
        guard let text = String(validating: rawName, as: UTF8.self) else {
            throw DatasetError(
                .unsafeName, source: shard, offset: offset, member: String(decoding: rawName, as: UTF8.self),
                "the member's name is not UTF-8; rename the file")
        }
        let name: MemberName
        switch MemberName.parse(text) {
        case .sample(let parsed): name = parsed
        case .passedOver:
            expecting = Self.skipping(size + padding)
            return
        case .unsafe:
            throw DatasetError(
                .unsafeName, source: shard, offset: offset, member: text,
                "the name is absolute or has a '..' in it; write the shard with names inside its folder")
        }
        guard size <= limits.memberBytesMax else {
            throw tooLarge("member '\(text)'", size, limits.memberBytesMax)
        }
        // By their bytes: strings would take two ways to write "é" as one key.
        if !(current?.key.utf8.elementsEqual(name.key.utf8) ?? false) { try beginSample(name, at: start) }
        try checkMember(name, size: size)
        currentBytes += size
        memberOffsets.append(start)
        if size == 0 {
            try endContent(name, padding: 0)
        } else {
            body = []
            body.reserveCapacity(Int(min(size, 16 << 20)))
            expecting = .content(name, remaining: size, padding: padding)
        }
    }

    private mutating func beginSample(_ name: MemberName, at start: Int64) throws(DatasetError) {
        completeCurrent()
        if let before = keys.insert(name.key, at: start) {
            throw DatasetError(
                .duplicateKey, source: shard, offset: start, member: name.full,
                "the key '\(name.key)' was already there at byte \(before): the members of one sample must "
                    + "be adjacent and its key used once; write the shard sorted by name")
        }
        current = Sample(index: nextIndex, key: name.key, members: [], start: start, end: start)
        currentBytes = 0
        memberOffsets.removeAll(keepingCapacity: true)
    }

    private func checkMember(_ name: MemberName, size: Int64) throws(DatasetError) {
        let members = current?.members ?? []
        if let place = members.firstIndex(where: { $0.extension == name.extension }) {
            throw DatasetError(
                .duplicateKey, source: shard, offset: offset, member: name.full,
                "the sample '\(name.key)' already has '\(members[place].name)' at byte "
                    + "\(memberOffsets[place]); write the shard with each file once")
        }
        guard members.count < limits.membersPerSampleMax else {
            throw tooLarge("sample '\(name.key)'", "members", Int64(limits.membersPerSampleMax))
        }
        guard currentBytes + size <= limits.sampleBytesMax else {
            throw tooLarge("sample '\(name.key)'", currentBytes + size, limits.sampleBytesMax)
        }
    }

    private mutating func endContent(_ name: MemberName, padding: Int64) throws(DatasetError) {
        current?.members.append(Member(name: name.full, extension: name.extension, bytes: body))
        body = []
        // An empty member ends inside its header, which has not been counted yet.
        let end = memberEndsInHeader ? offset + Int64(TarHeader.bytesCount) : offset
        current?.end = end + padding
        expecting = Self.skipping(padding)
    }

    private mutating func completeCurrent() {
        guard let sample = current else { return }
        current = nil
        queue.append(sample)
        nextIndex += 1
    }

    /// Whether the header block at hand is full, so that `offset` still stands before it.
    private var memberEndsInHeader: Bool { block.count == TarHeader.bytesCount }

    private static func padding(of size: Int64) -> Int64 { (512 - size % 512) % 512 }

    private static func skipping(_ count: Int64) -> Expecting {
        count == 0 ? .header : .skipped(remaining: count)
    }

    // MARK: Errors

    private func damage(_ what: String) -> DatasetError {
        DatasetError(.damagedShard, source: shard, offset: offset, what)
    }

    private func unsupported(_ header: TarHeader, _ what: String) -> DatasetError {
        let name = String(decoding: pending.name ?? header.name, as: UTF8.self)
        return DatasetError(.unsupportedMember, source: shard, offset: offset, member: name, what)
    }

    private func tooLarge(_ what: String, _ size: Int64, _ most: Int64) -> DatasetError {
        DatasetError(
            .tooLarge, source: shard, offset: offset,
            "\(what) has \(size) bytes, and \(most) are the most that is read; split it or leave it out")
    }

    private func tooLarge(_ what: String, _ of: String, _ most: Int64) -> DatasetError {
        DatasetError(
            .tooLarge, source: shard, offset: offset,
            "\(what) has more than \(most) \(of), the most that is read")
    }

    private func truncation() -> DatasetError {
        let end = offset + Int64(block.count)
        var message =
            end == 0
            ? "the shard is empty, without even the end of an archive"
            : "the shard ends without its archive's end: it is truncated"
        if let current { message += "; '\(current.key)' is the first sample that is lost" }
        return DatasetError(
            .truncatedShard, source: shard, offset: end, message + ". Copy or write the shard again")
    }
}

/// What extended headers said of the member to come.
private struct PendingHeader {
    /// Where the first of them began.
    var start: Int64?
    var name: [UInt8]?
    var size: Int64?
    var isSparse = false
}
