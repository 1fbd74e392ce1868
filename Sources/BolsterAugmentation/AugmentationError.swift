/// What went wrong while decoding an image or reapplying stored parameters. A sample that meets one is
/// skipped with `skipReason`; the message goes into the record beside it.
package struct AugmentationError: Error, CustomStringConvertible, Equatable, Sendable {
    package enum Code: String, Sendable {
        /// Pillow raises an error on these bytes.
        case undecodableImage = "undecodable_image"
        /// Neither JPEG, PNG nor WebP, or a variant that no installed library decodes.
        case unsupportedImage = "unsupported_image"
        /// More pixels or bytes than the limits allow.
        case imageTooLarge = "image_too_large"
        /// The image is smaller than a crop that the configuration wants without padding.
        case imageTooSmall = "image_too_small"
        /// Parameters that do not fit the configuration, or on which the trainer's own code fails.
        case unusableParameters = "unusable_parameters"
        /// Text that is no parameter list.
        case malformedParameters = "malformed_parameters"
        /// The machine has no memory for an image within the limits.
        case outOfMemory = "out_of_memory"
    }

    package let code: Code
    /// What was found, what was expected, and where.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The stable reason in records and coverage reports.
    package var skipReason: String { code.rawValue }
    package var description: String { message }
}
