/// Where a text's tokens lie in a model's input row; the values are token numbers.
///
///     start │ token token token … │ end │ pad pad … │ last
package struct TextRow: Sendable, Equatable {
    /// SigLIP's rows have none.
    package var start: Int?
    package let end: Int
    package let pad: Int
    /// Closes every row, whatever the text; only OpenVision's rows do.
    package var last: Int?
    /// L, the model's context length.
    package let length: Int

    /// Tokens of a text that fit.
    var room: Int { length - 1 - (start == nil ? 0 : 1) - (last == nil ? 0 : 1) }

    /// The row; a text that is too long is cut, its end token kept.
    func filled(_ tokens: some Sequence<Int>) -> [Int64] {
        var row: [Int64] = []
        row.reserveCapacity(length)
        if let start { row.append(Int64(start)) }
        for token in tokens.prefix(room) { row.append(Int64(token)) }
        row.append(Int64(end))
        row.append(contentsOf: repeatElement(Int64(pad), count: length - row.count))
        if let last { row[length - 1] = Int64(last) }
        return row
    }
}
