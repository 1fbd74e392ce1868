/// A set of characters, as the rules about wrongly decoded text combine them.
struct ScalarClass: Sendable {
    private(set) var members: Set<UInt32>

    /// Ranges in hexadecimal, as `MojibakeTables` writes them.
    init(ranges: String) {
        members = []
        for word in ranges.split(separator: " ") {
            let ends = word.split(separator: "-").map { digits in
                guard let number = UInt32(digits, radix: 16) else {
                    preconditionFailure("the table of characters is damaged at \(word)")
                }
                return number
            }
            members.formUnion(ends[0]...ends[ends.count - 1])
        }
    }

    /// The characters of a text.
    init(_ characters: String) { members = Set(characters.unicodeScalars.map(\.value)) }

    func contains(_ scalar: Unicode.Scalar) -> Bool { members.contains(scalar.value) }

    static func + (left: ScalarClass, right: ScalarClass) -> ScalarClass {
        var sum = left
        sum.members.formUnion(right.members)
        return sum
    }
}
