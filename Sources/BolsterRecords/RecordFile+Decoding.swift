import BolsterDeterminism
import Foundation

extension RecordFile {
    /// Reads a file's bytes; `name` stands in errors. The checksum is compared before anything is believed,
    /// and no part is allocated before its size is known to be possible.
    package init(decoding file: [UInt8], name: String) throws(RecordsError) {
        let head = try Self.head(of: file, name: name)
        var reader = FrameReader(file: file, offset: head.end, name: name, samples: head.record.samples)
        var columns: [RecordColumn] = []
        for layout in head.columns { columns.append(try reader.column(layout)) }
        guard reader.offset == file.count - RecordLayout.trailerBytes else {
            throw RecordsError(
                .malformed,
                "\(name): columns end at offset \(reader.offset), not at the trailer (\(file.count - 8))")
        }
        guard columns.count >= 2, columns[0].name == Self.keyColumn, columns[1].name == Self.skipColumn,
            case .text(let keys) = columns[0].content, case .text(let skips) = columns[1].content
        else { throw RecordsError(.malformed, "\(name): the first columns are not the keys and the skips") }
        var parsed: [Skip?] = []
        for (key, text) in zip(keys, skips) { parsed.append(try Self.skip(text, key: key, name: name)) }
        self.init(header: head.record, keys: keys, skips: parsed, columns: Array(columns.dropFirst(2)))
        if let mistake = mistake() { throw RecordsError(.malformed, "\(name): \(mistake)") }
    }

    /// The header alone, of a complete file whose checksum matches.
    package static func header(of file: [UInt8], name: String) throws(RecordsError) -> RecordHeader {
        try head(of: file, name: name).record
    }

    /// Bytes that a column takes in the file and would take uncompressed.
    package struct ColumnSize: Sendable, Equatable {
        package let name: String
        /// "text", "bf16" or "fp32".
        package let type: String
        package let width: Int?
        package let stored: Int
        package let content: Int
    }

    /// What each column takes, keys and skips first.
    package static func columnSizes(of file: [UInt8], name: String) throws(RecordsError) -> [ColumnSize] {
        try head(of: file, name: name).columns.map {
            ColumnSize(
                name: $0.name, type: $0.type.rawValue, width: $0.width, stored: $0.counts + $0.values,
                content: $0.bytes)
        }
    }

    private struct ParsedHead {
        let record: RecordHeader
        let columns: [RecordLayout.Column]
        /// The offset of the first frame.
        let end: Int
    }

    private static func head(of file: [UInt8], name: String) throws(RecordsError) -> ParsedHead {
        let prefix = RecordLayout.prefixBytes
        guard file.starts(with: RecordLayout.magic.prefix(file.count)), !file.isEmpty else {
            throw RecordsError(
                .notARecordFile, "\(name) is not a record file: its first bytes are not the magic number")
        }
        guard file.count >= prefix + RecordLayout.trailerBytes else {
            throw RecordsError(.truncated, "\(name) ends after \(file.count) bytes, before its header")
        }
        let version: UInt32 = file.littleEndian(at: 8)
        let headerBytes = Int(file.littleEndian(at: 12) as UInt32)
        let size: UInt64 = file.littleEndian(at: 16)
        guard size == UInt64(file.count) else {
            throw RecordsError(.truncated, "\(name) has \(file.count) bytes where its header says \(size)")
        }
        let trailer = file.count - RecordLayout.trailerBytes
        let hash = file.withUnsafeBytes {
            XXH64Hasher.hash(of: UnsafeRawBufferPointer(rebasing: $0[..<trailer]))
        }
        guard hash == file.littleEndian(at: trailer) else {
            throw RecordsError(
                .damaged,
                "\(name) is damaged: its checksum is \(Hexadecimal.text(of: hash)), the trailer says "
                    + Hexadecimal.text(of: file.littleEndian(at: trailer) as UInt64))
        }
        guard version == RecordLayout.version else {
            throw RecordsError(
                .version, "\(name) has format version \(version); this program reads \(RecordLayout.version)")
        }
        guard headerBytes <= min(RecordLimits.headerBytesMax, trailer - prefix) else {
            throw RecordsError(.malformed, "\(name) claims a header of \(headerBytes) bytes")
        }
        let head: RecordLayout.Head
        do {
            head = try JSONDecoder().decode(
                RecordLayout.Head.self, from: Data(file[prefix..<(prefix + headerBytes)]))
        } catch {
            throw RecordsError(.malformed, "\(name): the header is not the expected JSON: \(error)")
        }
        guard (0...RecordLimits.samplesMax).contains(head.record.samples),
            head.columns.count <= RecordLimits.columnsMax + 2
        else {
            throw RecordsError(
                .malformed, "\(name) claims \(head.record.samples) samples in \(head.columns.count) columns")
        }
        return ParsedHead(record: head.record, columns: head.columns, end: prefix + headerBytes)
    }

    private static func skip(_ text: String, key: String, name: String) throws(RecordsError) -> Skip? {
        if text.isEmpty { return nil }
        let place = "\(name): the skip of \(key)"
        let value: JSONValue
        do {
            value = try JSONValue(parsing: Array(text.utf8))
        } catch {
            throw RecordsError(.malformed, "\(place) is \(error)")
        }
        guard let parts = value.strings, parts.count == 2, !parts[0].isEmpty else {
            throw RecordsError(.malformed, "\(place) is not [reason, detail]: \(text)")
        }
        return Skip(reason: parts[0], detail: parts[1])
    }
}

/// Cuts a record file into its frames and columns.
private struct FrameReader {
    let file: [UInt8]
    var offset: Int
    let name: String
    let samples: Int

    mutating func column(_ layout: RecordLayout.Column) throws(RecordsError) -> RecordColumn {
        let place = "\(name), column \"\(layout.name)\""
        let counts = try self.counts(layout, place: place)
        let frame = try take(layout.values, place: place)
        guard layout.bytes >= 0, layout.bytes / RecordLimits.expansionMax <= layout.values else {
            throw RecordsError(.malformed, "\(place) claims \(layout.bytes) bytes out of \(layout.values)")
        }
        let type: TensorType
        switch layout.type {
        case .text:
            let texts = try self.texts(frame, layout: layout, lengths: counts, place: place)
            return RecordColumn(name: layout.name, content: .text(texts))
        case .bf16: type = .bf16
        case .fp32: type = .fp32
        }
        guard let width = layout.width, (1...RecordLimits.widthMax).contains(width),
            let exponents = layout.exponents
        else { throw RecordsError(.malformed, "\(place) states no width or no exponents") }
        let rows = counts.reduce(0, +)
        let (expected, overflow) = rows.multipliedReportingOverflow(by: width * type.size)
        guard !overflow, expected == layout.bytes else {
            throw RecordsError(
                .malformed, "\(place): \(rows) rows of \(width) do not make \(layout.bytes) bytes")
        }
        let bytes = try withBytes(frame) { pointer throws(RecordsError) in
            try TensorCodec.decoded(
                pointer, exponents: exponents, byteCount: layout.bytes, type: type, place: place)
        }
        return RecordColumn(
            name: layout.name, content: .tensor(type: type, rows: counts, width: width, bytes: bytes))
    }

    private mutating func take(_ count: Int, place: String) throws(RecordsError) -> Range<Int> {
        let end = file.count - RecordLayout.trailerBytes
        guard count >= 0, count <= end - offset else {
            throw RecordsError(.malformed, "\(place) claims \(count) bytes at offset \(offset) of \(end)")
        }
        defer { offset += count }
        return offset..<(offset + count)
    }

    private func withBytes(
        _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(RecordsError) -> [UInt8]
    ) throws(RecordsError) -> [UInt8] {
        let result: Result<[UInt8], RecordsError> = file.withUnsafeBytes { bytes in
            do throws(RecordsError) {
                return .success(try body(UnsafeRawBufferPointer(rebasing: bytes[range])))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private mutating func counts(_ layout: RecordLayout.Column, place: String) throws(RecordsError) -> [Int] {
        let range = try take(layout.counts, place: place)
        guard 4 * samples / RecordLimits.expansionMax <= layout.counts else {
            throw RecordsError(.malformed, "\(place) claims \(samples) counts out of \(layout.counts) bytes")
        }
        let bytes = try withBytes(range) { pointer throws(RecordsError) in
            try LZ4Frame.decompressed(pointer, contentBytes: 4 * samples, place: place)
        }
        return (0..<samples).map { Int(bytes.littleEndian(at: 4 * $0) as UInt32) }
    }

    private func texts(
        _ range: Range<Int>, layout: RecordLayout.Column, lengths: [Int], place: String
    ) throws(RecordsError) -> [String] {
        guard lengths.reduce(0, +) == layout.bytes else {
            throw RecordsError(.malformed, "\(place): the texts' lengths do not make \(layout.bytes) bytes")
        }
        let bytes = try withBytes(range) { pointer throws(RecordsError) in
            try LZ4Frame.decompressed(pointer, contentBytes: layout.bytes, place: place)
        }
        var texts: [String] = []
        texts.reserveCapacity(lengths.count)
        var start = 0
        for length in lengths {
            guard let text = String(validating: bytes[start..<(start + length)], as: UTF8.self) else {
                throw RecordsError(.malformed, "\(place): text \(texts.count) is not UTF-8")
            }
            texts.append(text)
            start += length
        }
        return texts
    }
}

extension [UInt8] {
    /// The number whose least significant byte is at `offset`.
    func littleEndian<Value: FixedWidthInteger>(at offset: Int) -> Value {
        precondition(
            offset >= 0 && offset + MemoryLayout<Value>.size <= count, "offset \(offset) of \(count) bytes")
        return withUnsafeBytes {
            Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
    }
}
