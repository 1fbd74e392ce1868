import Foundation

/// Mutations by a fixed seed, so that a failing round can be run again.
struct Mutator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    /// xorshift64*.
    mutating func number(below bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % max(1, bound)
    }

    /// One to four changes: a flipped bit, a byte set, a run removed, doubled, moved, or one of `words` put
    /// in.
    mutating func mutate(_ bytes: [UInt8], words: [[UInt8]]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...number(below: 4) where !bytes.isEmpty {
            let place = number(below: bytes.count)
            let end = min(bytes.count, place + 1 + number(below: 1 << number(below: 12)))
            switch number(below: 6) {
            case 0: bytes[place] ^= 1 << UInt8(number(below: 8))
            case 1: bytes[place] = UInt8(number(below: 256))
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: number(below: bytes.count))
            default: bytes.insert(contentsOf: words[number(below: words.count)], at: place)
            }
        }
        return bytes
    }
}

/// What a parser is fed: the kept finds of its kind (`Finds/KIND/…`), then mutations of an example and of the
/// finds. `BOLSTER_FUZZ_ROUNDS` raises their number for a long run, in which each input is written to
/// `$BOLSTER_FUZZ_LAST/KIND` before it is used: what traps there is a find to be kept.
struct FuzzedInputs: Sequence, IteratorProtocol {
    struct Input {
        /// Which it is, for a failing expectation's comment.
        let name: String
        let bytes: [UInt8]
        /// For choices that belong to the round.
        var mutator: Mutator
    }

    private let finds: [(name: String, bytes: [UInt8])]
    private let examples: [[UInt8]]
    private let words: [[UInt8]]
    private let salt: UInt64
    private let rounds: Int
    private let last: URL?
    private var position = 0

    init(_ kind: String, of example: [UInt8], words: [[UInt8]], rounds preset: Int, salt: UInt64 = 1) {
        let environment = ProcessInfo.processInfo.environment
        finds = Self.kept(kind)
        examples = [example] + finds.map(\.bytes)
        self.words = words
        self.salt = salt
        rounds = environment["BOLSTER_FUZZ_ROUNDS"].flatMap(Int.init) ?? preset
        last = environment["BOLSTER_FUZZ_LAST"].map { URL(fileURLWithPath: $0 + "/" + kind) }
    }

    /// The files of a kind, sorted by name; none where there is no such folder.
    static func kept(_ kind: String) -> [(name: String, bytes: [UInt8])] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Finds/\(kind)").path
        guard let names = FileManager.default.enumerator(atPath: folder)?.allObjects as? [String] else {
            return []
        }
        return names.sorted().compactMap { name in
            FileManager.default.contents(atPath: "\(folder)/\(name)").map { (name, [UInt8]($0)) }
        }
    }

    mutating func next() -> Input? {
        defer { position += 1 }
        let round = position - finds.count
        guard round < rounds else { return nil }
        var mutator = Mutator(seed: UInt64(position) &+ salt)
        let input: Input
        if round < 0 {
            input = Input(name: finds[position].name, bytes: finds[position].bytes, mutator: mutator)
        } else {
            // Most rounds start from the example, which has all there is in it.
            let start = mutator.number(below: 4) > 0 ? 0 : mutator.number(below: examples.count)
            let bytes = mutator.mutate(examples[start], words: words)
            input = Input(name: "round \(round)", bytes: bytes, mutator: mutator)
        }
        if let last {
            do { try Data(input.bytes).write(to: last) } catch { fatalError("\(last): \(error)") }
        }
        return input
    }
}
