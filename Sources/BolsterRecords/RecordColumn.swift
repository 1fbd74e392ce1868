import CRecordKernels

/// How a tensor's numbers are stored, little-endian.
package enum TensorType: String, Codable, Sendable, Hashable, CaseIterable {
    case bf16
    case fp32

    /// Bytes of one number.
    package var size: Int {
        switch self {
        case .bf16: 2
        case .fp32: 4
        }
    }
}

/// One named column of a record file: a value for every sample of the chunk, in the chunk's order.
package struct RecordColumn: Sendable, Equatable {
    package enum Content: Sendable, Equatable {
        /// One JSON text per sample; "" for a skipped one.
        case text([String])
        /// `rows[i]` vectors of `width` numbers for sample i (0 for a skipped one), all samples' rows one
        /// after another in `bytes`: Σ rows · width · type.size bytes.
        case tensor(type: TensorType, rows: [Int], width: Int, bytes: [UInt8])
    }

    package let name: String
    package let content: Content

    package init(name: String, content: Content) {
        self.name = name
        self.content = content
    }

    /// A tensor column of `values` ([Σ rows, width]), rounded to `type`.
    package init(name: String, rounding values: [Float], to type: TensorType, rows: [Int], width: Int) {
        let bytes =
            switch type {
            case .bf16: BFloat16.bytes(rounding: values)
            case .fp32: values.withUnsafeBytes { Array($0) }
            }
        self.init(name: name, content: .tensor(type: type, rows: rows, width: width, bytes: bytes))
    }

    /// Whether the content fits a chunk of `samples`; otherwise what does not.
    func mistake(samples: Int) -> String? {
        switch content {
        case .text(let texts):
            return texts.count == samples ? nil : "holds \(texts.count) texts for \(samples) samples"
        case .tensor(let type, let rows, let width, let bytes):
            guard rows.count == samples else { return "holds rows for \(rows.count) of \(samples) samples" }
            guard width > 0, width <= RecordLimits.widthMax else { return "has a width of \(width)" }
            guard rows.allSatisfy({ (0...RecordLimits.rowsMax).contains($0) }) else {
                return "has a sample with a count of rows outside 0...\(RecordLimits.rowsMax)"
            }
            let expected = rows.reduce(0, +) * width * type.size
            return bytes.count == expected
                ? nil : "holds \(bytes.count) bytes where its rows need \(expected)"
        }
    }
}

/// What bounds the size of a record file's parts. A reader refuses more before it allocates.
package enum RecordLimits {
    package static let headerBytesMax = 1 << 20
    package static let samplesMax = 1 << 20
    package static let columnsMax = 64
    package static let widthMax = 1 << 20
    /// Rows of one sample in one tensor.
    package static let rowsMax = 1 << 16
    /// LZ4 expands at most 255 times (its block format's longest match runs).
    static let expansionMax = 255
}

/// bfloat16: the upper half of an IEEE binary32.
package enum BFloat16 {
    /// Two little-endian bytes a value, rounded to nearest, ties to even, as PyTorch rounds.
    package static func bytes(rounding values: [Float]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 2 * values.count) { out, count in
            values.withUnsafeBytes { source in
                record_round_bf16(
                    source.assumingMemoryBound(to: UInt32.self).baseAddress, values.count,
                    UnsafeMutableRawPointer(out.baseAddress)?.assumingMemoryBound(to: UInt16.self))
            }
            count = 2 * values.count
        }
    }

    /// Four little-endian bytes (fp32) for every two of bfloat16. `bytes` has an even count.
    package static func widened(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        precondition(
            bytes.count.isMultiple(of: 2), "bfloat16 has two bytes a value, not \(bytes.count) in total")
        return [UInt8](unsafeUninitializedCapacity: 2 * bytes.count) { out, count in
            record_widen_bf16(
                bytes.assumingMemoryBound(to: UInt16.self).baseAddress, bytes.count / 2,
                UnsafeMutableRawPointer(out.baseAddress)?.assumingMemoryBound(to: UInt32.self))
            count = 2 * bytes.count
        }
    }
}
