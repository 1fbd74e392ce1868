import BolsterLeasing

/// What held up the workers of a run, in one line at its end: for each step of their pipelines the share of
/// the reports in which it was the bottleneck.
struct BottleneckSummary {
    private var counts: [StepWaits.Step: Int] = [:]

    /// Counts what every worker that holds a lease tells now.
    mutating func add(_ status: StatusReply) {
        for worker in status.workers where worker.leases > 0 {
            if let step = worker.bottleneck { counts[step, default: 0] += 1 }
        }
    }

    /// "held up by: model 92 %, reading 8 % (worker logs have the waits of each unit)"; nil where no worker
    /// has told.
    var line: String? {
        let total = counts.values.reduce(0, +)
        guard total > 0 else { return nil }
        let order = StepWaits.Step.allCases.sorted { (counts[$0] ?? 0) > (counts[$1] ?? 0) }
        let shares = order.compactMap { step in
            counts[step].map { "\(step.rawValue) \(Int((100 * Double($0) / Double(total)).rounded())) %" }
        }
        return "held up by: \(shares.joined(separator: ", ")) (logs/ has the waits of each unit)"
    }
}
