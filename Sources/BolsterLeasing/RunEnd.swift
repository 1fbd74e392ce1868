/// What a coordinator leaves in the output when every unit is done, quarantined or blocked: the word for
/// workers that could not be told, because the connection was down when the run ended.
///
///     ended/<generation>      finished <quarantined> <blocked>
///
/// It holds as long as no later generation was claimed: a run may be taken up again by a retry or by more
/// shards.
package struct RunEnd: Hashable, Sendable {
    package var quarantined: Int
    package var blocked: Int

    package init(quarantined: Int, blocked: Int) {
        self.quarantined = quarantined
        self.blocked = blocked
    }

    /// The object's name, relative to the output.
    package static func name(generation: UInt64) -> String { "ended/\(generation)" }

    /// The name of what is created to claim a generation, relative to the output.
    package static func claim(generation: UInt64) -> String { "generation/\(generation)" }

    package var bytes: [UInt8] { Array("finished \(quarantined) \(blocked)\n".utf8) }

    /// Nil for bytes that are no such word.
    package init?(_ bytes: [UInt8]) {
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard words.count == 3, words[0] == "finished", let quarantined = Int(words[1]),
            let blocked = Int(words[2])
        else { return nil }
        self.init(quarantined: quarantined, blocked: blocked)
    }
}
