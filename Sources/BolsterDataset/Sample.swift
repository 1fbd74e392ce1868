/// The files under one key of a shard.
package struct Sample: Sendable, Equatable {
    /// The position in the shard, from 0; every sample counts, with or without an image.
    package var index: Int
    /// The member name up to the first dot of its base name, the folder kept, a leading "./" removed.
    package var key: String
    /// In the shard's order, at least one.
    package var members: [Member]
    /// Bytes `start..<end` of the uncompressed shard: from the first header to the padded end of the last
    /// member.
    package var start: Int64
    package var end: Int64

    package init(index: Int, key: String, members: [Member], start: Int64, end: Int64) {
        self.index = index
        self.key = key
        self.members = members
        self.start = start
        self.end = end
    }

    /// The first member with this extension ("json", "url.txt").
    package func member(_ extensionName: String) -> Member? {
        members.first { $0.extension == extensionName }
    }
}

/// One file of a sample.
package struct Member: Sendable, Equatable {
    /// The full name in the archive, without a leading "./".
    package var name: String
    /// Everything after the first dot of the base name, lower-cased: "jpg", "url.txt".
    package var `extension`: String
    package var bytes: [UInt8]

    package init(name: String, extension: String, bytes: [UInt8]) {
        self.name = name
        self.extension = `extension`
        self.bytes = bytes
    }
}
