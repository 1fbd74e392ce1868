import BolsterDeterminism

/// What can be said of one captioner's texts without reading them all: length, vocabulary, repetition inside
/// a caption, diversity among the captions of one image, sameness across images, and scores.
struct CaptionStatistics {
    /// Words that are counted one by one; of a larger vocabulary the size is a lower bound.
    static let vocabularyMax = 200_000

    let column: String
    private(set) var samples = 0
    private(set) var captions = 0
    private(set) var words = Histogram(0...60, bins: 30)
    private(set) var scores = Histogram(-0.1...0.5, bins: 30)
    private(set) var vocabulary: [String: Int] = [:]
    /// Captions that say a word twice in a row, or three words in a row twice.
    private(set) var repeating = 0
    /// Captions that end in a full stop, question or exclamation mark.
    private(set) var closed = 0
    private var firstSeen: Set<UInt64> = []
    private(set) var seenBefore = 0
    private var pairs = 0
    private var pairDifference = 0.0
    private var equalPairs = 0

    init(column: String) { self.column = column }

    mutating func add(_ texts: ReportSample.Texts) {
        samples += 1
        let split = texts.texts.map(Self.words)
        for (text, list) in zip(texts.texts, split) {
            captions += 1
            words.add(Double(list.count))
            if Self.repeats(list) { repeating += 1 }
            if let last = text.last, ".!?".contains(last) { closed += 1 }
            for word in list where vocabulary[word] != nil || vocabulary.count < Self.vocabularyMax {
                vocabulary[word, default: 0] += 1
            }
        }
        // Across images: the same caption twice for one image is what the pairs tell.
        for hash in Set(texts.texts.map { XXH64Hasher.hash(of: Array($0.utf8)) })
        where !firstSeen.insert(hash).inserted { seenBefore += 1 }
        for score in texts.scores { scores.add(score) }
        compare(split)
    }

    var repeatingShare: Double { share(repeating, of: captions) }
    var closedShare: Double { share(closed, of: captions) }
    /// Distinct captions of an image that another image had before.
    var seenBeforeShare: Double { share(seenBefore, of: seenBefore + firstSeen.count) }
    /// Mean share of words that two captions of one image do not have in common; nil with one each.
    var diversity: Double? { pairs == 0 ? nil : pairDifference / Double(pairs) }
    var equalPairsShare: Double? { pairs == 0 ? nil : share(equalPairs, of: pairs) }

    /// The most frequent words that are longer than three letters, which leaves out what every text has.
    func commonWords(_ count: Int) -> [(word: String, count: Int)] {
        vocabulary.filter { $0.key.count > 3 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .prefix(count).map { ($0.key, $0.value) }
    }

    private mutating func compare(_ split: [[String]]) {
        let sets = split.map(Set.init)
        for first in sets.indices {
            for second in sets.indices.dropFirst(first + 1) {
                let all = sets[first].union(sets[second]).count
                let common = sets[first].intersection(sets[second]).count
                pairs += 1
                pairDifference += all == 0 ? 0 : 1 - Double(common) / Double(all)
                if split[first] == split[second] { equalPairs += 1 }
            }
        }
    }

    private func share(_ part: Int, of whole: Int) -> Double {
        whole == 0 ? 0 : Double(part) / Double(whole)
    }

    /// Lower-case runs of letters, digits and apostrophes.
    static func words(_ text: String) -> [String] {
        text.lowercased().split { !($0.isLetter || $0.isNumber || $0 == "'" || $0 == "’") }.map(String.init)
    }

    static func repeats(_ words: [String]) -> Bool {
        if zip(words, words.dropFirst()).contains(where: ==) { return true }
        guard words.count >= 6 else { return false }
        var seen: Set<[String]> = []
        return (0...(words.count - 3)).contains { !seen.insert(Array(words[$0..<($0 + 3)])).inserted }
    }
}
