import BolsterDeterminism

/// The captions still to be decoded and the slots that decode them: which (image, caption) starts where,
/// what each slot has so far, and when it ends. Knows no model.
///
///     waiting (image, caption) in order ─► slot 0 … slot B-1 ─► finished texts
///
/// A caption's tokens depend on its own logits and its own random stream alone, so that it does not
/// matter in which slot or beside which others it is decoded.
struct CaptionQueue {
    /// One caption in the making.
    struct Row {
        let image: Int
        let caption: Int
        /// Start token first; the end token is not kept.
        var tokens: [Int]
        var random: CounterRandom
    }

    /// What becomes of a row after a token.
    enum OnToken: Equatable {
        /// The row goes on with this token at this position.
        case goOn
        /// The row is finished and its slot is free.
        case finish
    }

    let keys: [String]
    let captionsPerImage: Int
    let seed: UInt64
    let maxLength: Int
    let start: Int
    /// Tokens that end a text and are not part of it: end and padding.
    let terminators: Set<Int>
    /// Tokens that end a text after themselves.
    let closers: Set<Int>

    private var nextIndex = 0
    /// Finished token rows, [image][caption]; start token first.
    private(set) var finished: [[[Int]]]

    init(
        keys: [String], captionsPerImage: Int, seed: UInt64, maxLength: Int, start: Int,
        terminators: Set<Int>,
        closers: Set<Int>
    ) {
        self.keys = keys
        self.captionsPerImage = captionsPerImage
        self.seed = seed
        self.maxLength = maxLength
        self.start = start
        self.terminators = terminators
        self.closers = closers
        finished = Array(repeating: Array(repeating: [], count: captionsPerImage), count: keys.count)
    }

    /// The image of the caption that starts next; nil when all have started.
    var nextImage: Int? {
        nextIndex < keys.count * captionsPerImage ? nextIndex / captionsPerImage : nil
    }

    /// Starts the next caption.
    mutating func takeNext() -> Row {
        let (image, caption) = nextIndex.quotientAndRemainder(dividingBy: captionsPerImage)
        precondition(image < keys.count, "all captions have started")
        nextIndex += 1
        return Row(
            image: image, caption: caption, tokens: [start],
            random: CounterRandom(seed: seed, purpose: .caption, key: keys[image], index: caption))
    }

    /// Adds a token that was drawn for a row.
    mutating func drew(_ token: Int, for row: inout Row) -> OnToken {
        let isTerminator = terminators.contains(token)
        if !isTerminator { row.tokens.append(token) }
        // At the last place the end token is forced, so nothing needs to be computed for it.
        guard isTerminator || closers.contains(token) || row.tokens.count >= maxLength - 1 else {
            return .goOn
        }
        finished[row.image][row.caption] = row.tokens
        return .finish
    }
}
