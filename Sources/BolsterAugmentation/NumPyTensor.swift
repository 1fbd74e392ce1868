/// NumPy's file format, version 1.0, for one tensor of single-precision floats (numpy/lib/format.py):
///
///     93 "NUMPY" 01 00 | length of the text, 2 bytes | text, padded to 64 bytes with its newline | values
package enum NumPyTensor {
    /// A .npy file. The product of `shape` is the number of values.
    package static func encode(_ values: [Float], shape: [Int]) -> [UInt8] {
        precondition(shape.reduce(1, *) == values.count, "\(values.count) values for shape \(shape)")
        let sides = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sides)), }"
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        bytes += [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)]
        bytes += Array(header.utf8)
        values.withUnsafeBytes { bytes.append(contentsOf: $0) }
        return bytes
    }
}
