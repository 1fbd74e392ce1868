import BolsterRecords

/// Whether a view's stored parameters are ones that the dataset's augmentation can have drawn: an element for
/// each transform that leaves parameters, crops inside the image, magnitudes in torchvision's ranges.
struct ParameterCheck: Equatable {
    /// The transforms that leave parameters, in the order in which they do.
    private static let storing = [
        "resize", "random_crop", "random_resized_crop", "random_horizontal_flip", "rand_augment",
        "random_erase",
    ]
    /// The largest magnitude of each RandAugment operation, 0 to 13; nil where the view's size decides it.
    private static let magnitudes: [ClosedRange<Double>?] = [
        0...0, -0.3...0.3, -0.3...0.3, nil, nil, -30...30, -0.9...0.9, -0.9...0.9, -0.9...0.9, -0.9...0.9,
        4...8, 0...255, 0...0, 0...0,
    ]

    private let transforms: [String]
    private let operations: Int
    /// Whether the resized crop is of the image itself, and not of what another transform made of it.
    private let cropsImage: Bool

    /// - Parameter configuration: `reinforce.image_augmentation` of the dataset's config.json.
    init(_ configuration: JSONValue) {
        func isEnabled(_ name: String) -> Bool {
            configuration[name].map { $0["enable"] != .bool(false) } ?? false
        }
        transforms = Self.storing.filter(isEnabled)
        cropsImage = !["resize", "center_crop", "random_crop"].contains(where: isEnabled)
        operations = configuration["rand_augment"]?["num_ops"]?.integer ?? 2
    }

    /// What is wrong with one view; nil where nothing is.
    ///
    /// - Parameter image: the source's size; nil where it is not known.
    func mistake(in view: JSONValue, of image: ImageHeader?) -> String? {
        guard case .array(let values) = view, values.count == transforms.count else {
            return "\(PythonJSON.text(of: view)) has not one element for each of "
                + transforms.joined(separator: ", ")
        }
        for (name, value) in zip(transforms, values) {
            let mistake: String? =
                switch name {
                case "random_crop": corner(value)
                case "random_resized_crop": crop(value, cropsImage ? image : nil)
                case "random_horizontal_flip": flip(value)
                case "rand_augment": randAugment(value)
                default: Self.isNumeric(value) ? nil : "holds \(PythonJSON.text(of: value))"
                }
            if let mistake { return "\(name) \(mistake)" }
        }
        return nil
    }

    /// [top, left].
    private func corner(_ value: JSONValue) -> String? {
        let sides = value.values.compactMap(\.integer)
        return sides.count == 2 && value.values.count == 2 && sides.allSatisfy { $0 >= 0 }
            ? nil : "is \(PythonJSON.text(of: value)), not two whole numbers"
    }

    /// [top, left, height, width].
    private func crop(_ value: JSONValue, _ image: ImageHeader?) -> String? {
        let sides = value.values.compactMap(\.integer)
        guard sides.count == 4, value.values.count == 4 else {
            return "is \(PythonJSON.text(of: value)), not four whole numbers"
        }
        guard sides[0] >= 0, sides[1] >= 0, sides[2] > 0, sides[3] > 0 else {
            return "\(sides) is empty or begins outside"
        }
        guard let image else { return nil }
        guard sides[0] + sides[2] <= image.height, sides[1] + sides[3] <= image.width else {
            return "\(sides) leaves the image of \(image.width) × \(image.height)"
        }
        return nil
    }

    private func flip(_ value: JSONValue) -> String? {
        switch value {
        case .null, .bool: nil
        case .number(let text) where text == "0" || text == "1": nil
        default: "is \(PythonJSON.text(of: value))"
        }
    }

    private func randAugment(_ value: JSONValue) -> String? {
        if value == .null { return nil }
        guard value.values.count == operations else {
            return "has \(value.values.count) operations, not \(operations)"
        }
        for operation in value.values {
            let parts = operation.values
            guard parts.count == 2, let number = parts[0].integer, Self.magnitudes.indices.contains(number),
                case .number(let text) = parts[1], let magnitude = Double(text), magnitude.isFinite
            else { return "has \(PythonJSON.text(of: operation)), not [operation 0 to 13, magnitude]" }
            guard let range = Self.magnitudes[number] else { continue }
            // Magnitudes are fp32 numbers written as doubles.
            guard magnitude >= range.lowerBound - 1e-5, magnitude <= range.upperBound + 1e-5 else {
                return "has magnitude \(magnitude) of operation \(number), outside \(range)"
            }
        }
        return nil
    }

    private static func isNumeric(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool: true
        case .number(let text): Double(text)?.isFinite ?? false
        case .array(let values): values.allSatisfy(isNumeric)
        case .string, .object: false
        }
    }
}
