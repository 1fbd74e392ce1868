import BolsterDeterminism
import Foundation

extension RecordFile {
    /// The file's bytes; equal values give equal bytes. Throws `inconsistent` for a broken invariant.
    package func encode() throws(RecordsError) -> [UInt8] {
        if let mistake = mistake() {
            throw RecordsError(
                .inconsistent,
                "chunk \(header.chunk) of \(header.stage) on \(header.shard) cannot be written: \(mistake)")
        }
        var frames: [[UInt8]] = []
        var layouts: [RecordLayout.Column] = []
        func append(_ name: String, _ texts: [String]) throws(RecordsError) {
            layouts.append(try Self.encode(text: texts, name: name, into: &frames))
        }
        try append(Self.keyColumn, keys)
        try append(
            Self.skipColumn,
            skips.map { skip in
                guard let skip else { return "" }
                return "[\(PythonJSON.text(of: skip.reason)), \(PythonJSON.text(of: skip.detail))]"
            })
        for column in columns {
            switch column.content {
            case .text(let texts):
                try append(column.name, texts)
            case .tensor(let type, let rows, let width, let bytes):
                let encoded = bytes.withUnsafeBytes { TensorCodec.encoded($0, type: type) }
                let counts = Self.frame(of: rows)
                layouts.append(
                    RecordLayout.Column(
                        name: column.name, type: type == .bf16 ? .bf16 : .fp32, counts: counts.count,
                        values: encoded.frame.count, bytes: bytes.count, width: width,
                        exponents: encoded.exponents))
                frames += [counts, encoded.frame]
            }
        }
        return try assemble(RecordLayout.Head(columns: layouts, record: header), frames: frames)
    }

    private func assemble(_ head: RecordLayout.Head, frames: [[UInt8]]) throws(RecordsError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json: [UInt8]
        do {
            json = Array(try encoder.encode(head))
        } catch {
            throw RecordsError(.inconsistent, "the record header is not encodable: \(error)")
        }
        guard json.count <= RecordLimits.headerBytesMax else {
            throw RecordsError(
                .inconsistent,
                "a record header of \(json.count) bytes exceeds \(RecordLimits.headerBytesMax)"
            )
        }
        let size =
            RecordLayout.prefixBytes + json.count + frames.reduce(0) { $0 + $1.count }
            + RecordLayout.trailerBytes
        var file: [UInt8] = []
        file.reserveCapacity(size)
        file += RecordLayout.magic
        file.appendLittleEndian(RecordLayout.version)
        file.appendLittleEndian(UInt32(json.count))
        file.appendLittleEndian(UInt64(size))
        file += json
        for frame in frames { file += frame }
        file.appendLittleEndian(XXH64Hasher.hash(of: file))
        return file
    }

    private static func encode(
        text texts: [String], name: String, into frames: inout [[UInt8]]
    ) throws(RecordsError) -> RecordLayout.Column {
        var bytes: [UInt8] = []
        var lengths: [Int] = []
        lengths.reserveCapacity(texts.count)
        for text in texts {
            let start = bytes.count
            bytes.append(contentsOf: text.utf8)
            lengths.append(bytes.count - start)
        }
        guard lengths.allSatisfy({ $0 <= Int(UInt32.max) }) else {
            throw RecordsError(.inconsistent, "the column \"\(name)\" has a text of 4 GiB or more")
        }
        let counts = frame(of: lengths)
        let values = bytes.withUnsafeBytes { LZ4Frame.compressed($0) }
        frames += [counts, values]
        return RecordLayout.Column(
            name: name, type: .text, counts: counts.count, values: values.count, bytes: bytes.count)
    }

    /// One UInt32 a sample.
    private static func frame(of counts: [Int]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * counts.count)
        for count in counts { bytes.appendLittleEndian(UInt32(count)) }
        return bytes.withUnsafeBytes { LZ4Frame.compressed($0) }
    }
}

extension [UInt8] {
    /// The number's bytes, the least significant first.
    mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
