/// What this module throws about shards and lists: something a person can act on, and where it was found.
package struct DatasetError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, Equatable {
        /// A header whose checksum or numbers are wrong, or bytes where none may be.
        case damagedShard
        /// The shard ends before its archive does.
        case truncatedShard
        /// The members of one key are not adjacent, or a member is there twice.
        case duplicateKey
        /// A legal archive with something that cannot be a sample's file: links, sparse files.
        case unsupportedMember
        /// A member name that is no text, or that leaves its folder.
        case unsafeName
        /// A member, a sample or a name over its stated maximum.
        case tooLarge
        /// A file of uids or a list of shards that cannot be read as one.
        case damagedSelection
        /// A shard pattern that cannot be expanded.
        case malformedPattern
    }

    package var code: Code
    /// Says what is wrong, where, and what to do about it.
    package var message: String
    /// The shard's name or the pattern as written.
    package var source: String
    /// The byte of the (uncompressed) shard where the trouble begins.
    package var offset: Int64?
    /// The member concerned.
    package var member: String?

    package init(
        _ code: Code, source: String, offset: Int64? = nil, member: String? = nil, _ message: String
    ) {
        self.code = code
        self.source = source
        self.offset = offset
        self.member = member
        self.message = message
    }

    package var description: String {
        var place = source
        if let offset { place += ", byte \(offset)" }
        if let member { place += ", member '\(member)'" }
        return "\(place): \(message)"
    }
}
