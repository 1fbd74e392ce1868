extension Unicode.Scalar {
    /// A capital of ASCII made small; any other character as it is.
    var smallInASCII: Unicode.Scalar {
        (0x41...0x5A).contains(value) ? Unicode.Scalar(UInt8(value) + 32) : self
    }

    /// Whether Python's `string.punctuation` has the character.
    var isPunctuationOfASCII: Bool {
        switch value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }

    /// Whether this version of Unicode has the character.
    func isOfUnicode(_ version: Int) -> Bool { properties.age.map { $0.major <= version } ?? false }
}

extension String {
    init(scalars: some Sequence<Unicode.Scalar>) {
        var view = UnicodeScalarView()
        view.append(contentsOf: scalars)
        self.init(view)
    }
}
