/// Device time of a run, as the coordinator measured it.
package struct RunCost: Equatable, Sendable {
    package struct Use: Equatable, Sendable {
        package var stage: String
        /// The models that the stage ran, for a person.
        package var models: [String]
        package var device: String
        package var samples: Int
        package var seconds: Double

        package init(stage: String, models: [String], device: String, samples: Int, seconds: Double) {
            self.stage = stage
            self.models = models
            self.device = device
            self.samples = samples
            self.seconds = seconds
        }
    }

    /// Of committed chunks.
    package var uses: [Use]
    /// What workers held, idle or not, by type of device, in seconds.
    package var held: [(device: String, seconds: Double)]
    /// Per hour, by type of device.
    package var prices: [String: Double]

    package init(uses: [Use], held: [(device: String, seconds: Double)], prices: [String: Double]) {
        self.uses = uses
        self.held = held
        self.prices = prices
    }

    package static func == (left: RunCost, right: RunCost) -> Bool {
        left.uses == right.uses && left.held.elementsEqual(right.held, by: ==) && left.prices == right.prices
    }

    func price(_ device: String, _ seconds: Double) -> Double? {
        prices[device].map { $0 * seconds / 3600 }
    }

    /// Nil where nothing has a price.
    var total: Double? {
        let prices = held.compactMap { price($0.device, $0.seconds) }
        return prices.isEmpty ? nil : prices.reduce(0, +)
    }

    var heldSeconds: Double { held.reduce(0) { $0 + $1.seconds } }
}
