import COnnxRuntime

extension GraphSession {
    static func declarations(
        of session: OpaquePointer, _ runtime: InferenceRuntime, isInput: Bool
    ) throws(InferenceError) -> [TensorDeclaration] {
        let table = runtime.table
        var count = 0
        try runtime.check(
            isInput ? onnx_input_count(table, session, &count) : onnx_output_count(table, session, &count),
            "counting the graph's tensors")
        var allocator: OpaquePointer?
        try runtime.check(onnx_default_allocator(table, &allocator), "finding the allocator")
        var declarations: [TensorDeclaration] = []
        for index in 0..<count {
            var name: UnsafeMutablePointer<CChar>?
            try runtime.check(
                isInput
                    ? onnx_input_name(table, session, index, allocator, &name)
                    : onnx_output_name(table, session, index, allocator, &name), "naming a tensor")
            guard let name else { throw InferenceError(.graphInvalid, "a tensor has no name") }
            let text = String(cString: name)
            try runtime.check(onnx_free(table, allocator, name), "freeing a name")
            var type: OpaquePointer?
            try runtime.check(
                isInput
                    ? onnx_input_type(table, session, index, &type)
                    : onnx_output_type(table, session, index, &type), "reading the type of \(text)")
            defer { onnx_release_type_info(table, type) }
            declarations.append(try declaration(named: text, type, runtime))
        }
        return declarations
    }

    private static func declaration(
        named name: String, _ type: OpaquePointer?, _ runtime: InferenceRuntime
    ) throws(InferenceError) -> TensorDeclaration {
        var tensor: OpaquePointer?
        try runtime.check(onnx_tensor_info_of_type(runtime.table, type, &tensor), "reading \(name)")
        guard let tensor else { throw InferenceError(.graphInvalid, "\(name) is not a tensor") }
        var element: Int32 = 0
        var rank = 0
        try runtime.check(onnx_element_type(runtime.table, tensor, &element), "reading \(name)")
        try runtime.check(onnx_rank(runtime.table, tensor, &rank), "reading \(name)")
        var dimensions = [Int64](repeating: 0, count: rank)
        try runtime.check(onnx_dimensions(runtime.table, tensor, &dimensions, rank), "reading \(name)")
        return TensorDeclaration(name: name, element: element, dimensions: dimensions.map { Int($0) })
    }

    static func compare(
        _ found: [TensorDeclaration], _ expected: [TensorDeclaration], _ kind: String, _ path: String
    ) throws(InferenceError) {
        func described(_ tensors: [TensorDeclaration]) -> String {
            tensors.map { tensor in
                let element = TensorElement(rawValue: tensor.element)?.name ?? "element \(tensor.element)"
                let shape = tensor.dimensions.map { $0 < 0 ? "?" : String($0) }.joined(separator: ",")
                return "\(tensor.name) \(element)[\(shape)]"
            }.joined(separator: ", ")
        }
        let matches =
            found.count == expected.count
            && expected.allSatisfy { wanted in
                found.contains { tensor in
                    tensor.name == wanted.name && tensor.element == wanted.element
                        && tensor.dimensions.count == wanted.dimensions.count
                        && zip(tensor.dimensions, wanted.dimensions).allSatisfy { $0 == $1 || $0 < 0 }
                }
            }
        guard matches else {
            throw InferenceError(
                .graphInvalid,
                "\(path) has the \(kind)s \(described(found)); model.json asks for \(described(expected))",
                file: path)
        }
    }
}
