/// Bytes of a shard in, samples out, whatever the shard's format: a tar's by its members, a JSONL's by its
/// lines. Bytes are pushed with `append` in pieces of any size, and `finish` says that there are no more. All
/// samples before a damage come out of `next` before it is thrown.
package struct SampleReader {
    // One of them. Optionals and no enum, for a payload could not be changed in place.
    private var tar: TarSampleReader?
    private var lines: JSONLSampleReader?

    /// Starts at `startOffset` of the uncompressed shard, where the sample `firstSample` begins.
    package init(
        shard location: String, firstSample: Int = 0, startOffset: Int64 = 0,
        limits: TarSampleReader.Limits = TarSampleReader.Limits()
    ) {
        switch ShardFormat(ofLocation: location) {
        case .jsonl:
            lines = JSONLSampleReader(
                shard: location, firstSample: firstSample, startOffset: startOffset, limits: limits)
        case .tar, nil:
            tar = TarSampleReader(
                shard: location, firstSample: firstSample, startOffset: startOffset, limits: limits)
        }
    }

    /// Takes the bytes that follow the last ones.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        tar?.append(bytes)
        lines?.append(bytes)
    }

    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Says that the shard has no more bytes.
    package mutating func finish() {
        tar?.finish()
        lines?.finish()
    }

    /// The next sample; nil where it needs more bytes or, after `finish`, at the end.
    package mutating func next() throws(DatasetError) -> Sample? {
        if tar != nil { return try tar?.next() }
        return try lines?.next()
    }
}

/// What a shard is, as its name says.
package enum ShardFormat: String, Sendable, CaseIterable {
    case tar, jsonl

    /// How a shard's name may end.
    package static let endings = allCases.flatMap { format in
        ["", ".gz", ".zst"].map { ".\(format.rawValue)\($0)" }
    }

    /// Nil for what is no shard's name. A URL's query does not count.
    package init?(ofLocation location: String) {
        let path = location.range(ofFirst: "://") == nil ? location[...] : location.prefix { $0 != "?" }
        let format = Self.allCases.first { format in
            ["", ".gz", ".zst"].contains { path.hasSuffix(".\(format.rawValue)\($0)") }
        }
        guard let format else { return nil }
        self = format
    }
}
