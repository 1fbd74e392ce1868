import Foundation
import Glibc

/// Bytes of a JSONL shard in, samples out: one JSON object to the line, one line in memory.
///
///     {"uid": "00ab…", "image": "<base64>", "text": "a boat", "url": "https://…", …}⏎
///
/// The key is the field `__key__`, `key`, `uid` or `id`, the first there is, else the sample's number in nine
/// digits. The image is the field `image` (or `image_base64`, `image_bytes`, `jpg`, `jpeg`, `png`, `webp`) in
/// base64, also with a "data:…;base64," before it. What is no base64 is a member of no bytes, so that the
/// sample is skipped as undecodable. All other fields become the sample's `json` member, as they stand but
/// for what is no JSON and no damage either (`RepairedJSON`). A byte order mark at the shard's beginning is
/// passed over.
///
/// A sample's bytes are its line, line break included. Blank lines are passed over. A line that is no object,
/// or an end without a whole line, is damage: the samples before it come out first.
package struct JSONLSampleReader {
    private let shard: String
    private let limits: TarSampleReader.Limits
    /// Of the line to come.
    private var offset: Int64
    private var line: [UInt8] = []
    private var nextIndex: Int
    private var keys: SeenKeys
    private var queue = SampleQueue()
    private var isFinished = false

    /// Starts at a line's beginning, where the sample `firstSample` stands.
    package init(
        shard: String, firstSample: Int = 0, startOffset: Int64 = 0,
        limits: TarSampleReader.Limits = TarSampleReader.Limits()
    ) {
        self.shard = shard
        self.limits = limits
        nextIndex = firstSample
        offset = startOffset
        keys = SeenKeys(countMax: limits.keysMax)
    }

    /// Takes the bytes that follow the last ones.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(!isFinished, "bytes after the end of the shard was declared")
        guard queue.failure == nil else { return }
        do throws(DatasetError) {
            var rest = bytes[...]
            while let end = Self.lineBreak(in: rest) {
                if line.isEmpty {
                    try endLine(UnsafeRawBufferPointer(rebasing: rest[..<end]), hasBreak: true)
                } else {
                    line.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest[..<end]))
                    try endCollectedLine(hasBreak: true)
                }
                rest = rest[(end + 1)...]
            }
            line.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest))
            guard Int64(line.count) <= limits.sampleBytesMax else {
                throw DatasetError(
                    .tooLarge, source: shard, offset: offset,
                    "a line has more than \(limits.sampleBytesMax) bytes, the most that is read; split it")
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
        do throws(DatasetError) {
            if !line.isEmpty { try endCollectedLine(hasBreak: false) }
        } catch {
            guard error.code == .damagedShard else {
                queue.failure = error
                return
            }
            queue.failure = DatasetError(
                .truncatedShard, source: shard, offset: error.offset,
                "the last line is no whole JSON object: the shard is truncated. Copy or write it again")
        }
    }

    /// The next sample; nil where it needs more bytes or, after `finish`, at the end. Throws what is wrong
    /// with the shard once every sample before it is out.
    package mutating func next() throws(DatasetError) -> Sample? { try queue.next() }

    // MARK: Lines

    private static func lineBreak(in bytes: UnsafeRawBufferPointer.SubSequence) -> Int? {
        let piece = UnsafeRawBufferPointer(rebasing: bytes)
        guard let start = piece.baseAddress, let found = memchr(start, 10, piece.count) else { return nil }
        return bytes.startIndex + (UnsafeRawPointer(found) - start)
    }

    private mutating func endCollectedLine(hasBreak: Bool) throws(DatasetError) {
        var collected: [UInt8] = []
        swap(&collected, &line)
        let outcome = collected.withUnsafeBytes { bytes in
            Result { () throws(DatasetError) in try endLine(bytes, hasBreak: hasBreak) }
        }
        collected.removeAll(keepingCapacity: collected.capacity < 16 << 20)
        swap(&collected, &line)
        try outcome.get()
    }

    private mutating func endLine(
        _ line: UnsafeRawBufferPointer, hasBreak: Bool
    ) throws(DatasetError) {
        let end = offset + Int64(line.count) + (hasBreak ? 1 : 0)
        let isMarked = offset == 0 && line.starts(with: RepairedJSON.byteOrderMark)
        let line = isMarked ? UnsafeRawBufferPointer(rebasing: line.dropFirst(3)) : line
        if !line.allSatisfy({ $0 == 32 || $0 == 9 || $0 == 13 }) {
            queue.append(try sample(line, end: end))
            nextIndex += 1
        }
        offset = end
    }

    private mutating func sample(
        _ line: UnsafeRawBufferPointer, end: Int64
    ) throws(DatasetError) -> Sample {
        let fields: JSONFields
        do throws(JSONFields.Malformed) {
            fields = try JSONFields(line)
        } catch {
            throw damage("\(error.expected) was expected", at: error.offset)
        }
        let key = try key(fields, line)
        if let before = keys.insert(key, at: offset) {
            throw DatasetError(
                .duplicateKey, source: shard, offset: offset, member: key,
                "the key '\(key)' was already there at byte \(before); write the shard with each key once")
        }
        var members: [Member] = []
        let image = Self.imageFields.lazy.compactMap { fields[$0] }
            .first { line[$0.value.lowerBound] == UInt8(ascii: "\"") }
        if let image {
            let bytes = Self.image(UnsafeRawBufferPointer(rebasing: line[image.value].dropFirst().dropLast()))
            guard Int64(bytes.count) <= limits.memberBytesMax else {
                throw DatasetError(
                    .tooLarge, source: shard, offset: offset, member: key,
                    "the image has \(bytes.count) bytes, and \(limits.memberBytesMax) are the most"
                )
            }
            let kind = Self.extensionName(of: bytes)
            members.append(Member(name: "\(key).\(kind)", extension: kind, bytes: bytes))
        }
        let rest = try rest(fields, without: image?.name, line)
        members.append(Member(name: "\(key).json", extension: "json", bytes: rest))
        return Sample(index: nextIndex, key: key, members: members, start: offset, end: end)
    }

    // MARK: Fields

    private static let imageFields = [
        "image", "image_base64", "image_bytes", "jpg", "jpeg", "png", "webp",
    ]

    private func key(_ fields: JSONFields, _ line: UnsafeRawBufferPointer) throws(DatasetError) -> String {
        let field = ["__key__", "key", "uid", "id"].lazy.compactMap { fields[$0] }.first
        guard let field else {
            let digits = "\(nextIndex)"
            return String(repeating: "0", count: max(0, 9 - digits.count)) + digits
        }
        let value = UnsafeRawBufferPointer(rebasing: line[field.value])
        let isText = value.first == UInt8(ascii: "\"")
        let key =
            isText
            ? JSONFields.text(UnsafeRawBufferPointer(rebasing: value.dropFirst().dropLast()))
            : String(decoding: value, as: UTF8.self)
        guard isText || Int64(key) != nil else {
            throw damage("the field '\(field.name)' is neither a string nor a whole number", at: 0)
        }
        // As a tar's member it must be told from its extension.
        guard case .sample(let name) = MemberName.parse(key + ".json"), name.key == key,
            Int64(key.utf8.count) <= limits.headerBytesMax
        else {
            throw DatasetError(
                .unsafeName, source: shard, offset: offset, member: key,
                "the key has a dot, is absolute or leaves its folder: no file of a tar could be named by it; "
                    + "give the sample another '\(field.name)', or another field '__key__'")
        }
        return key
    }

    /// What the base64 holds; nothing where it is none.
    private static func image(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        var content = text
        if text.starts(with: "data:".utf8), let comma = text.firstIndex(of: UInt8(ascii: ",")) {
            content = UnsafeRawBufferPointer(rebasing: text[(comma + 1)...])
        }
        if let bytes = Base64.decoded(content) { return bytes }
        // Some writers escape "/" or break lines.
        let plain = JSONFields.text(content).utf8.filter { $0 > 32 }
        return plain.withUnsafeBytes { Base64.decoded($0) } ?? []
    }

    private static func extensionName(of image: [UInt8]) -> String {
        switch ImageFormat(magicOf: image) {
        case .png: "png"
        case .webp: "webp"
        case .jpeg, nil: "jpg"
        }
    }

    /// The object without one field, its values as they stand where they are JSON.
    private func rest(
        _ fields: JSONFields, without left: String?, _ line: UnsafeRawBufferPointer
    ) throws(DatasetError) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        for field in fields.fields where field.name != left {
            if json.count > 1 { json += ", ".utf8 }
            json += line[field.whole]
        }
        json.append(UInt8(ascii: "}"))
        guard let (_, standard) = RepairedJSON.parse(json) else {
            throw damage("its values are no JSON", at: 0)
        }
        return standard
    }

    private func damage(_ what: String, at place: Int) -> DatasetError {
        DatasetError(
            .damagedShard, source: shard, offset: offset + Int64(place),
            "the line that begins at byte \(offset) is no JSON object: \(what). Copy or write the shard again"
        )
    }
}
