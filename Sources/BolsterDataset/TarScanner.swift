/// Finds the members of a tar without reading their content: it says which bytes it needs to see, headers
/// and extended headers, and is given them from wherever they are.
///
///     next ──► .needs(offset, count) ──► take(bytes) ──► next ──► .member(place) … ──► .end
///
/// The same archives are read, and the same refused, as by `TarSampleReader`: links, sparse files, unsafe
/// names and damaged headers are errors, and so is an archive without its end.
package struct TarScanner: Sendable {
    /// Where one file of a sample lies in the archive.
    package struct Member: Sendable, Equatable {
        package var name: MemberName
        /// The first of its headers.
        package var start: Int64
        package var content: Range<Int64>
        /// Behind its padding.
        package var end: Int64
    }

    package enum Step: Sendable, Equatable {
        /// `take` wants exactly these bytes.
        case needs(offset: Int64, count: Int)
        case member(Member)
        /// The end marker stands here.
        case end(Int64)
    }

    private enum Expecting {
        case header
        case extended(TarHeader.Kind, count: Int)
        case found(Member)
        case end
    }

    private let shard: String
    private let limits: TarSampleReader.Limits
    private var offset: Int64
    private var expecting = Expecting.header
    private var start: Int64?
    private var name: [UInt8]?
    private var size: Int64?
    private var isSparse = false

    /// Starts at the first header of a member.
    package init(
        shard: String, startOffset: Int64 = 0, limits: TarSampleReader.Limits = TarSampleReader.Limits()
    ) {
        self.shard = shard
        self.limits = limits
        offset = startOffset
    }

    package mutating func next() -> Step {
        switch expecting {
        case .header: return .needs(offset: offset, count: TarHeader.bytesCount)
        case .extended(_, let count): return .needs(offset: offset, count: count)
        case .found(let member):
            expecting = .header
            return .member(member)
        case .end: return .end(offset)
        }
    }

    /// The bytes that `next` asked for; fewer of them say that the archive ends here.
    package mutating func take(_ bytes: UnsafeRawBufferPointer) throws(DatasetError) {
        switch expecting {
        case .header:
            guard bytes.count == TarHeader.bytesCount else { throw truncation(bytes.count) }
            try take(header: [UInt8](bytes))
        case .extended(let kind, let count):
            guard bytes.count == count else { throw truncation(bytes.count) }
            try take(bytes, of: kind)
            offset += Self.padded(Int64(count))
            expecting = .header
        case .found, .end: preconditionFailure("nothing was asked for")
        }
    }

    private mutating func take(header block: [UInt8]) throws(DatasetError) {
        if TarHeader.isZero(block) {
            guard start == nil else { throw damage("an extended header with no member after it") }
            expecting = .end
            return
        }
        let header: TarHeader
        do {
            header = try TarHeader(block)
        } catch {
            throw damage("no member's header. The shard is damaged, or no tar; copy or write it again")
        }
        switch header.kind {
        case .file: try take(file: header)
        case .passedOver:
            forget()
            offset += Int64(TarHeader.bytesCount) + Self.padded(header.size)
        case .longLink:
            if start == nil { start = offset }
            offset += Int64(TarHeader.bytesCount) + Self.padded(header.size)
        case .pax, .globalPax, .longName:
            if start == nil { start = offset }
            guard header.size <= limits.headerBytesMax else {
                throw damage("an extended header of \(header.size) bytes, over \(limits.headerBytesMax)")
            }
            offset += Int64(TarHeader.bytesCount)
            expecting = .extended(header.kind, count: Int(header.size))
        case .hardLink, .symbolicLink, .sparse, .unknown:
            throw DatasetError(
                .unsupportedMember, source: shard, offset: offset,
                member: String(decoding: name ?? header.name, as: UTF8.self),
                "is a link or a sparse file, whose content is elsewhere; write the shard from plain files")
        }
    }

    private mutating func take(file header: TarHeader) throws(DatasetError) {
        guard !isSparse else {
            throw DatasetError(
                .unsupportedMember, source: shard, offset: offset,
                "is a sparse file; write the shard without tar's --sparse")
        }
        let size = self.size ?? header.size
        let raw = name ?? header.name
        let first = start ?? offset
        forget()
        let content = offset + Int64(TarHeader.bytesCount)
        let end = content + Self.padded(size)
        guard let text = String(validating: raw, as: UTF8.self) else {
            throw DatasetError(
                .unsafeName, source: shard, offset: offset, member: String(decoding: raw, as: UTF8.self),
                "the member's name is not UTF-8; rename the file")
        }
        switch MemberName.parse(text) {
        case .sample(let parsed):
            guard size <= limits.memberBytesMax else {
                throw DatasetError(
                    .tooLarge, source: shard, offset: offset, member: text,
                    "has \(size) bytes, and \(limits.memberBytesMax) are the most that is read")
            }
            expecting = .found(
                Member(name: parsed, start: first, content: content..<(content + size), end: end))
        case .passedOver: break
        case .unsafe:
            throw DatasetError(
                .unsafeName, source: shard, offset: offset, member: text,
                "the name is absolute or has a '..' in it; write the shard with names inside its folder")
        }
        offset = end
    }

    private mutating func take(
        _ bytes: UnsafeRawBufferPointer, of kind: TarHeader.Kind
    ) throws(DatasetError) {
        if kind == .longName {
            name = Array(bytes.prefix { $0 != 0 })
            return
        }
        guard let records = PaxRecords(bytes) else { throw damage("a pax header that does not parse") }
        if kind == .globalPax {
            guard records.path == nil, records.size == nil, !records.isSparse else {
                throw damage("a global pax header with a path or size, which would hold for every member")
            }
            start = nil
        } else {
            if let path = records.path { name = path }
            if let size = records.size { self.size = size }
            isSparse = isSparse || records.isSparse
        }
    }

    private mutating func forget() {
        start = nil
        name = nil
        size = nil
        isSparse = false
    }

    private static func padded(_ size: Int64) -> Int64 { (size + 511) / 512 * 512 }

    private func damage(_ what: String) -> DatasetError {
        DatasetError(.damagedShard, source: shard, offset: offset, what)
    }

    private func truncation(_ count: Int) -> DatasetError {
        DatasetError(
            .truncatedShard, source: shard, offset: offset + Int64(count),
            "the shard ends without its archive's end: it is truncated. Copy or write the shard again")
    }
}
