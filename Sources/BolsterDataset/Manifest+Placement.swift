/// What a worker must have said of itself to be given a stage: labels of `bolster work --labels`, or what
/// every worker says unasked: its device ("cuda:3"), the device's type ("cuda") and its host's name.
///
///     placement: {captions.syn_text: [a100], views: [cuda]}
///
/// Where work is done decides no bytes, so no fingerprint covers it.
extension Manifest {
    /// The most labels of one stage.
    private static let labelsMax = 16

    static func placement(
        _ value: YAMLValue, stages: [StageID], _ reader: inout YAMLReader
    ) -> [String: [String]] {
        guard let mapping = reader.mapping(value, keys: stages.map(\.name)) else { return [:] }
        var placement: [String: [String]] = [:]
        for stage in stages {
            guard let listed = mapping[stage.name] else { continue }
            var labels: [String] = []
            for label in reader.list(listed, of: "labels", allowsOne: true) {
                let expected =
                    "a label of letters, digits, '.', '_', '-' and ':', as `bolster work --labels` says it"
                guard let text = reader.text(label, expected: expected) else { continue }
                if text.isName(extra: "._-:", lengthMax: 128) {
                    labels.append(text)
                } else {
                    reader.report(label, expected: expected)
                }
            }
            if labels.count > labelsMax { reader.report(listed, expected: "at most \(labelsMax) labels") }
            placement[stage.name] = labels
        }
        return placement
    }
}
