/// Frames waiting to be sent, oldest first, a stated number at most.
struct FrameQueue {
    private var frames: [[UInt8]] = []
    private var head = 0
    private let framesMax: Int

    init(framesMax: Int) { self.framesMax = framesMax }

    var isEmpty: Bool { head == frames.count }
    var count: Int { frames.count - head }

    /// False when the queue is full.
    mutating func append(_ frame: [UInt8]) -> Bool {
        guard count < framesMax else { return false }
        frames.append(frame)
        return true
    }

    mutating func removeFirst() -> [UInt8]? {
        guard !isEmpty else { return nil }
        defer {
            frames[head] = []
            head += 1
            // Amortised: the dead half is dropped at once.
            if head * 2 > frames.count {
                frames.removeFirst(head)
                head = 0
            }
        }
        return frames[head]
    }

    /// Returns a frame just taken out to its place at the front, even if others came since.
    mutating func putBack(_ frame: [UInt8]) {
        frames.replaceSubrange(..<head, with: [frame])
        head = 0
    }

    mutating func removeAll() {
        frames.removeAll()
        head = 0
    }
}
