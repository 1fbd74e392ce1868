import Foundation

/// Cosines of images and texts, a row for each image and a column for each text:
///
///                 a dog    [2]
///     a.jpg       0.2713   0.1034
///     b.jpg       0.0981   0.2640
///
///     [2] a red car on a wet street at night
struct SimilarityTable: CustomStringConvertible {
    private let rows: [String]
    private let columns: [String]
    /// [rows][columns]
    private let cosines: [[Double]]

    /// - Parameters:
    ///   - rowVectors: [rows, width], of unit length.
    ///   - columnVectors: [columns, width], of unit length.
    init(rows: [String], columns: [String], rowVectors: [Float], columnVectors: [Float], width: Int) {
        self.rows = rows
        self.columns = columns
        cosines = rows.indices.map { row in
            columns.indices.map { column in
                (0..<width).reduce(0.0) { sum, index in
                    sum + Double(rowVectors[row * width + index])
                        * Double(columnVectors[column * width + index])
                }
            }
        }
    }

    var description: String {
        // A text longer than a number's column gets a number of its own.
        let longest = 16
        let headings = columns.enumerated().map { $1.count <= longest ? $1 : "[\($0 + 1)]" }
        let first = rows.map { $0.count }.max() ?? 0
        let widths = headings.map { max(7, $0.count) }
        func line(_ name: String, _ cells: [String]) -> String {
            let padded = zip(cells, widths).map { cell, width in
                String(repeating: " ", count: width - cell.count) + cell
            }
            return ([name + String(repeating: " ", count: first - name.count)] + padded).joined(
                separator: "  ")
        }
        var lines = [line("", headings)]
        for (name, row) in zip(rows, cosines) {
            lines.append(line(name, row.map { String(format: "%.4f", $0) }))
        }
        let legend = columns.enumerated().filter { $1.count > longest }.map { "[\($0 + 1)] \($1)" }
        return (lines + (legend.isEmpty ? [] : [""] + legend)).joined(separator: "\n")
    }
}
