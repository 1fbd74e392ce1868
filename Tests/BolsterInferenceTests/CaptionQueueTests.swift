import Testing

@testable import BolsterInference

@Suite struct CaptionQueueTests {
    private func queue(maxLength: Int = 6) -> CaptionQueue {
        CaptionQueue(
            keys: ["a", "b"], captionsPerImage: 2, seed: 1, maxLength: maxLength, start: 90,
            terminators: [91, 0],
            closers: [7])
    }

    @Test("Captions start image by image")
    func order() {
        var queue = queue()
        var started: [[Int]] = []
        while let image = queue.nextImage {
            let row = queue.takeNext()
            #expect(row.image == image)
            started.append([row.image, row.caption])
        }
        #expect(started == [[0, 0], [0, 1], [1, 0], [1, 1]])
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
