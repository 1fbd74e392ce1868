import BolsterLeasing

/// No text embedding belongs to another caption file than the one merged.
final class TextsBelongToTheMergedCaptions: Invariant {
    private let scenario: Scenario

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {}

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) {
        for (unit, all) in end.rows.finished {
            guard let source = scenario.reads(unit) else { continue }
            guard let captions = end.rows.finished[source] else {
                throw broken("\(unit) is finished, \(source) is not")
            }
            for chunk in all.chunks {
                let file = scenario.file(unit, chunk)
                guard let record = end.records[file], let merged = captions[chunk.result.chunk],
                    record.sources.map(\.epoch) == [merged.epoch],
                    record.sources.map(\.digest) == [merged.result.digest]
                else { throw broken("\(file) was not computed from the captions that count") }
            }
        }
    }
}
