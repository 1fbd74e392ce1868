import Testing

@testable import BolsterInference

/// The slots with a step that computes nothing: texts get lengths from a generator.
@Suite struct CaptionSlotsTests {
    private struct Count {
        var steps = 0
        var rows = 0
        var emptyRows = 0
        var moved = 0
    }

    private let end = 91

    /// Decodes images that come in groups, as `CaptionRun` does; gives what the steps computed.
    private func decode(
        groups: [Int], captionsPerImage: Int, batch: Int, length: (CaptionQueue.Row) -> Int
    ) -> (count: Count, slots: CaptionSlots) {
        let queue = CaptionQueue(
            captionsPerImage: captionsPerImage, seed: 1, maxLength: 30, start: 90, terminators: [end],
            closers: [])
        var slots = CaptionSlots(queue: queue, slots: batch)
        var count = Count()
        func step() {
            count.steps += 1
            count.rows += slots.rows.count
            for slot in slots.rows.indices {
                guard slots.rows[slot] != nil else {
                    count.emptyRows += 1
                    continue
                }
                _ = slots.draw(slot: slot) { $0.tokens.count >= length($0) ? end : 5 }
            }
        }
        for (number, group) in groups.enumerated() {
            slots.add((0..<group).map { "\(number)-\($0)" })
            while slots.queue.next != nil {
                while slots.startNext() != nil {}
                if slots.isFull { step() }
            }
        }
        while true {
            count.moved += slots.compact().count
            if slots.rows.isEmpty { return (count, slots) }
            step()
        }
    }

    @Test("A chunk of 1,024 images computes no empty rows, and hardly any in small batches")
    func chunk() {
        for (batch, groups) in [(64, Array(repeating: 64, count: 16)), (320, [1000, 24])] {
            let (count, slots) = decode(groups: groups, captionsPerImage: 5, batch: batch) { row in
                5 + (row.image * 7919 + row.caption * 104_729) % 1009 % 20
            }
            let tokens = slots.queue.finished.joined().reduce(0) { $0 + $1.count }
            #expect(slots.queue.finished.count == 1024)
            #expect(slots.queue.finished.allSatisfy { $0.count == 5 && $0.allSatisfy { !$0.isEmpty } })
            // Under 5 % of rows may be empty; there are none at all, in full batches but for the end.
            #expect(count.emptyRows == 0)
            #expect(count.rows == tokens)
            let fullness = Double(count.rows) / Double(count.steps * batch)
            #expect(fullness > (batch == 64 ? 0.95 : 0.85), "\(batch): \(count)")
            print("\(batch) slots: \(count.steps) steps, \(count.rows) rows, \(count.emptyRows) empty")
        }
    }

    @Test("Slots without work are dropped before a step", arguments: [1, 2, 9, 64])
    func tail(batch: Int) {
        let (count, slots) = decode(groups: [3], captionsPerImage: 2, batch: batch) { _ in 7 }
        #expect(count.emptyRows == 0 && count.rows == 6 * 7)
        #expect(slots.queue.finished.joined().allSatisfy { $0.count == 7 })
    }

    @Test("A free slot that holds the image already is preferred")
    func resident() {
        let queue = CaptionQueue(
            captionsPerImage: 2, seed: 1, maxLength: 30, start: 90, terminators: [end], closers: [])
        var slots = CaptionSlots(queue: queue, slots: 3)
        slots.add(["a", "b"])
        let started = (0..<3).compactMap { _ in slots.startNext() }
        #expect(started.map { $0.slot } == [0, 1, 2])
        #expect(started.map { $0.needsImage } == [true, true, true])
        #expect(slots.startNext() == nil)
        _ = slots.draw(slot: 0) { _ in end }
        _ = slots.draw(slot: 1) { _ in end }
        // The last caption is of image 1, which slot 1 held.
        let last = slots.startNext()
        #expect(last?.slot == 1 && last?.needsImage == false)
    }
}
