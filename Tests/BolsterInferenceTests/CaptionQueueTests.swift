import Testing

@testable import BolsterInference

@Suite struct CaptionQueueTests {
    private func queue(maxLength: Int = 6) -> CaptionQueue {
        var queue = CaptionQueue(
            captionsPerImage: 2, seed: 1, maxLength: maxLength, start: 90, terminators: [91, 0], closers: [7])
        queue.add(["a", "b"])
        return queue
    }

    /// (image, caption) in the order in which they start, after groups of images have been added.
    private func started(_ groups: [Int], captionsPerImage: Int) -> [[Int]] {
        var queue = CaptionQueue(
            captionsPerImage: captionsPerImage, seed: 1, maxLength: 6, start: 90, terminators: [], closers: []
        )
        var started: [[Int]] = []
        for group in groups {
            queue.add(Array(repeating: "key", count: group))
            while let (image, caption) = queue.next {
                let row = queue.takeNext()
                #expect(row.image == image && row.caption == caption)
                started.append([image, caption])
            }
        }
        return started
    }

    @Test("An image's first caption starts before the others of the image before it")
    func order() {
        #expect(
            started([3], captionsPerImage: 3)
                == [[0, 0], [1, 0], [0, 1], [0, 2], [2, 0], [1, 1], [1, 2], [2, 1], [2, 2]])
        #expect(started([2], captionsPerImage: 1) == [[0, 0], [1, 0]])
        #expect(
            started([1, 2], captionsPerImage: 2) == [[0, 0], [0, 1], [1, 0], [2, 0], [1, 1], [2, 1]])
    }

    @Test("Every caption starts once, whatever the groups", arguments: [1, 2, 5])
    func everyCaption(captionsPerImage: Int) {
        for groups in [[7], [1, 1, 5], [3, 4], [0, 2, 0]] {
            let images = groups.reduce(0, +)
            let started = started(groups, captionsPerImage: captionsPerImage)
            #expect(started.count == images * captionsPerImage)
            #expect(Set(started).count == started.count)
        }
    }

    @Test("The end token and padding end a text and are not part of it", arguments: [91, 0])
    func terminator(token: Int) {
        var queue = queue()
        var row = queue.takeNext()
        #expect(queue.drew(5, for: &row) == .goOn)
        #expect(queue.drew(token, for: &row) == .finish)
        #expect(queue.finished[0][0] == [90, 5])
    }

    @Test("A full stop ends a text and is part of it")
    func closer() {
        var queue = queue()
        var row = queue.takeNext()
        #expect(queue.drew(7, for: &row) == .finish)
        #expect(queue.finished[0][0] == [90, 7])
    }

    @Test("The place of the forced end token is never computed")
    func length() {
        var queue = queue(maxLength: 5)
        var row = queue.takeNext()
        #expect(queue.drew(5, for: &row) == .goOn)
        #expect(queue.drew(6, for: &row) == .goOn)
        #expect(queue.drew(8, for: &row) == .finish)
        #expect(queue.finished[0][0] == [90, 5, 6, 8])
    }
}
