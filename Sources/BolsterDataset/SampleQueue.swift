/// Samples that a reader has completed and nobody has taken, and what went wrong behind them.
struct SampleQueue {
    private var complete: [Sample] = []
    private var head = 0
    /// Thrown, again and again, once every sample before it is out.
    var failure: DatasetError?

    mutating func append(_ sample: Sample) { complete.append(sample) }

    /// Nil where none waits.
    mutating func next() throws(DatasetError) -> Sample? {
        guard head < complete.count else {
            if let failure { throw failure }
            return nil
        }
        defer {
            head += 1
            if head == complete.count {
                complete.removeAll(keepingCapacity: true)
                head = 0
            }
        }
        return complete[head]
    }
}
