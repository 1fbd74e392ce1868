/// How a worker's pipeline spent the last while: of each step, the share of time from 0 to 1 in which it had
/// nothing to do, or no room for its result. The step that waited least is the one that holds up the others.
package struct StepWaits: Equatable, Sendable, CustomStringConvertible {
    package enum Step: String, CaseIterable, Sendable {
        /// Bytes of the shard to samples.
        case reading
        /// Images to normalised pixels, texts to tokens; on several threads, whose mean it is.
        case augmentation
        /// The models, or the requests to a captioner's endpoint.
        case model
        /// Records to durable files.
        case writing
    }

    package var reading: Double
    package var augmentation: Double
    package var model: Double
    package var writing: Double

    package init(reading: Double, augmentation: Double, model: Double, writing: Double) {
        self.reading = reading
        self.augmentation = augmentation
        self.model = model
        self.writing = writing
    }

    package subscript(step: Step) -> Double {
        switch step {
        case .reading: reading
        case .augmentation: augmentation
        case .model: model
        case .writing: writing
        }
    }

    /// The step that waited least; of equal ones the model.
    package var bottleneck: Step {
        Step.allCases.min { (self[$0], $0 == .model ? 0 : 1) < (self[$1], $1 == .model ? 0 : 1) } ?? .model
    }

    /// "model (waited: reading 97 %, augmentation 61 %, model 2 %, writing 99 %)"
    package var description: String {
        let shares = Step.allCases.map { "\($0.rawValue) \(Int((self[$0] * 100).rounded())) %" }
        return "\(bottleneck.rawValue) (waited: \(shares.joined(separator: ", ")))"
    }
}
