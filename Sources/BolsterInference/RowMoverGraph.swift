/// The ONNX graph that moves rows, as bytes: a ModelProto of ONNX's onnx.proto3, with the field numbers of
/// that file.
///
///     from [K] ───────────────┐
///     source_keys [S, W] ─► Gather ─► rows_keys [K, W] ─┐
///     to [K, 1] ────────────────────────────────────────┤
///     target_keys [R, W] ──────────────────────────► ScatterND ─► moved_keys [R, W]     and so for values
enum RowMoverGraph {
    /// - Parameter numberBytes: 4 for rows of float32, 2 for rows of any half precision: bits are moved.
    static func bytes(numbersOf numberBytes: Int) -> [UInt8] {
        let element: TensorElement = numberBytes == 4 ? .float32 : .float16
        var graph = ProtobufBytes()
        for part in ["keys", "values"] {
            graph.append(1, node("Gather", ["source_\(part)", "from"], "rows_\(part)"))
            graph.append(1, node("ScatterND", ["target_\(part)", "to", "rows_\(part)"], "moved_\(part)"))
        }
        graph.append(2, text: "row mover")
        for part in ["keys", "values"] {
            graph.append(11, tensor("source_\(part)", element, ["S", "W"]))
            graph.append(11, tensor("target_\(part)", element, ["R", "W"]))
            graph.append(12, tensor("moved_\(part)", element, ["R", "W"]))
        }
        graph.append(11, tensor("from", .int64, ["K"]))
        graph.append(11, tensor("to", .int64, ["K", "one"]))
        var operatorSet = ProtobufBytes()
        operatorSet.append(2, number: 13)
        var model = ProtobufBytes()
        model.append(1, number: 8)
        model.append(7, graph)
        model.append(8, operatorSet)
        return model.bytes
    }

    private static func node(_ kind: String, _ inputs: [String], _ output: String) -> ProtobufBytes {
        var node = ProtobufBytes()
        for input in inputs { node.append(1, text: input) }
        node.append(2, text: output)
        node.append(4, text: kind)
        return node
    }

    private static func tensor(
        _ name: String, _ element: TensorElement, _ dimensions: [String]
    ) -> ProtobufBytes {
        var shape = ProtobufBytes()
        for dimension in dimensions {
            var named = ProtobufBytes()
            named.append(2, text: dimension)
            shape.append(1, named)
        }
        var tensor = ProtobufBytes()
        tensor.append(1, number: Int(element.rawValue))
        tensor.append(2, shape)
        var type = ProtobufBytes()
        type.append(1, tensor)
        var value = ProtobufBytes()
        value.append(1, text: name)
        value.append(2, type)
        return value
    }
}

/// A Protocol Buffers message in the making: numbers, and what has a length.
private struct ProtobufBytes {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ field: Int, number: Int) {
        append(variable: field << 3)
        append(variable: number)
    }

    mutating func append(_ field: Int, text: String) { append(field, Array(text.utf8)) }

    mutating func append(_ field: Int, _ message: ProtobufBytes) { append(field, message.bytes) }

    private mutating func append(_ field: Int, _ content: [UInt8]) {
        append(variable: field << 3 | 2)
        append(variable: content.count)
        bytes += content
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    private mutating func append(variable number: Int) {
        var rest = UInt(number)
        while rest >= 128 {
            bytes.append(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
