/// What an hour of a device costs, by its type, in any currency.
package struct DevicePrices: Equatable, Sendable {
    /// By type of device.
    package private(set) var perHour: [String: Double] = [:]

    package init() {}

    /// - Parameter texts: "cuda=2.5", as `--price` takes them.
    package init(parsing texts: [String]) throws(StatusPageError) {
        for text in texts {
            let parts = text.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[0].contains(":"), let price = Double(parts[1]),
                price.isFinite, price >= 0
            else {
                throw StatusPageError(
                    .price, "a price is DEVICE=PER-HOUR with the type of device, such as cuda=2.5",
                    evidence: [text])
            }
            perHour[String(parts[0])] = price
        }
    }

    package var isEmpty: Bool { perHour.isEmpty }

    /// Nil where no price is known for the device's type.
    package func cost(of device: String, _ time: Duration) -> Double? {
        perHour[device].map { $0 * (time / .seconds(3_600)) }
    }
}
