/// What was drawn for one view, in the trainer's compressed form: one value for each transform that has
/// parameters, in the order of the transforms.
///
///     [[top, left, height, width], true, [[op, magnitude], [op, magnitude]], [top, left, height, width]]
///      random_resized_crop         flip  rand_augment                        random_erase
///
/// `random_crop` leaves [top, left], `resize` its own size, and null stands for a transform that chance
/// passed over. What the values mean depends on the configuration; see `Augmentation`.
package struct AugmentationParameters: Sendable, Equatable {
    package var values: [ParameterValue]

    package init(values: [ParameterValue]) { self.values = values }

    /// One view's parameters from JSON. Throws `malformedParameters`.
    package init(parsing json: String) throws(AugmentationError) {
        var parser = ParameterParser(json)
        self = try Self.view(try parser.document(), position: nil)
    }

    /// As Python's `json.dumps` prints it.
    package var json: String { ParameterValue.list(values).json }

    /// All views' parameters from what a `paug.json` holds: the object with a `param_aug` key, or that
    /// key's value, each as a list or as a JSON string that holds the list (the published data sets have
    /// the latter). Throws `malformedParameters`.
    package static func list(parsing json: String) throws(AugmentationError) -> [AugmentationParameters] {
        var parser = ParameterParser(json)
        guard case .list(let views) = try parser.parameterDocument() else {
            throw AugmentationError(.malformedParameters, "the parameters are no list of views")
        }
        var list: [AugmentationParameters] = []
        for (position, view) in views.enumerated() { list.append(try Self.view(view, position: position)) }
        return list
    }

    private static func view(
        _ value: ParameterValue, position: Int?
    ) throws(AugmentationError) -> AugmentationParameters {
        guard case .list(let values) = value else {
            let place = position.map { "view \($0)" } ?? "the view"
            throw AugmentationError(
                .malformedParameters, "\(place) is \(value.json), expected a list of parameters")
        }
        return AugmentationParameters(values: values)
    }
}

/// The value of `param_aug`: a JSON list with one element per view.
package func encodeParamAug(_ views: [AugmentationParameters]) -> String {
    ParameterValue.list(views.map { .list($0.values) }).json
}
