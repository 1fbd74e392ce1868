import BolsterDeterminism

/// The captions still to be decoded: which (image, caption) starts next, and when a text ends. Knows no model
/// and no slot.
///
/// The first caption of an image starts before the others of the image before it,
///
///     (0,0) (1,0) (0,1) (0,2) … (2,0) (1,1) (1,2) … (3,0) (2,1) …
///
/// because all captions of an image have the start token's step in common: when the others start, the first
/// one has computed it.
struct CaptionQueue {
    /// One caption in the making.
    struct Row {
        let image: Int
        let caption: Int
        /// Start token first; the end token is not kept.
        var tokens: [Int]
        var random: CounterRandom

        /// The last token's place in its text.
        var position: Int { tokens.count - 1 }
    }

    /// What becomes of a row after a token.
    enum OnToken: Equatable {
        /// The row goes on with this token at this position.
        case goOn
        /// The row is finished and its slot is free.
        case finish
    }

    let captionsPerImage: Int
    let seed: UInt64
    let maxLength: Int
    let start: Int
    /// Tokens that end a text and are not part of it: end and padding.
    let terminators: Set<Int>
    /// Tokens that end a text after themselves.
    let closers: Set<Int>

    private var keys: [String] = []
    /// The image whose first caption starts next.
    private var leader = 0
    /// The image whose other captions start next, and which of them.
    private var follower = 0
    private var followerCaption = 1
    /// Finished token rows, [image][caption]; start token first.
    private(set) var finished: [[[Int]]] = []

    init(
        captionsPerImage: Int, seed: UInt64, maxLength: Int, start: Int, terminators: Set<Int>,
        closers: Set<Int>
    ) {
        self.captionsPerImage = captionsPerImage
        self.seed = seed
        self.maxLength = maxLength
        self.start = start
        self.terminators = terminators
        self.closers = closers
    }

    /// Images that have been added.
    var imageCount: Int { keys.count }

    /// Appends images by their sample keys.
    mutating func add(_ keys: [String]) {
        self.keys += keys
        finished += Array(
            repeating: Array(repeating: [], count: captionsPerImage), count: keys.count)
    }

    /// The image and number of the caption that starts next; nil when all that were added have started.
    var next: (image: Int, caption: Int)? {
        let followerWaits = captionsPerImage > 1 && follower < leader
        if followerWaits, leader > follower + 1 || leader == keys.count { return (follower, followerCaption) }
        return leader < keys.count ? (leader, 0) : nil
    }

    /// Whether other captions of an image are still to start.
    func isAwaited(_ image: Int) -> Bool { captionsPerImage > 1 && image >= follower && image < keys.count }

    /// Starts the next caption.
    mutating func takeNext() -> Row {
        guard let (image, caption) = next else { preconditionFailure("all captions have started") }
        if caption == 0 {
            leader += 1
        } else if caption == captionsPerImage - 1 {
            follower += 1
            followerCaption = 1
        } else {
            followerCaption += 1
        }
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
