import BolsterOracles

/// What of Python's packages the tests of this target compare with.
enum PythonOracle {
    static let hasNumPy = Python.has("numpy")
    static let hasOpenCLIP = Python.has("torch", "open_clip", "ftfy", "regex")
    static let hasSentencePiece = hasOpenCLIP && Python.has("sentencepiece", "transformers")
    static let hasExporter = hasSentencePiece && Python.has("numpy", "onnx", "onnxscript", "onnxruntime")
}
