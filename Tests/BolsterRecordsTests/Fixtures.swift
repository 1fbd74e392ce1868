import BolsterDeterminism

@testable import BolsterRecords

/// `rows` unit vectors, drawn from a counter-based generator so that every run has the same.
func unitVectors(rows: Int, width: Int, seed: UInt64 = 1) -> [Float] {
    var values: [Float] = []
    for row in 0..<rows {
        var random = CounterRandom(seed: seed, purpose: .caption, key: "vector", index: row)
        // The sum of twelve uniform numbers is close enough to a normal one.
        let vector = (0..<width).map { _ in (0..<12).reduce(-6.0) { sum, _ in sum + random.double() } }
        let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        values += vector.map { Float($0 / norm) }
    }
    return values
}

func exampleHeader(samples: Int, stage: String = "views", chunk: Int = 0) -> RecordHeader {
    RecordHeader(
        run: "example", stage: stage, fingerprint: String(repeating: "0a", count: 32), shard: "00000",
        shardIdentity: .init(size: 10240, version: "1700000000000000000"),
        range: .init(start: 0, end: 9216, xxh64: "00112233445566ff"), chunk: chunk, isLast: true,
        samples: samples,
        firstSample: 0, epoch: "1-2", computeClass: "bolster 0.1, onnxruntime 1.32.0, cpu, 2 threads",
        sources: ["records/captions.syn_text/00000/000000-1-1.records": "0123456789abcdef"])
}

/// Three samples, the second skipped, with a text and a tensor column.
func exampleFile() -> RecordFile {
    RecordFile(
        header: exampleHeader(samples: 3), keys: ["a/000", "ключ", "b"],
        skips: [nil, Skip(reason: "undecodable_image", detail: "no end of \"image\"\n"), nil],
        columns: [
            RecordColumn(name: "param_aug", content: .text(["[[1, 2]]", "", "[[3, 4]]"])),
            RecordColumn(
                name: "image_emb", rounding: unitVectors(rows: 5, width: 7), to: .bf16, rows: [2, 0, 3],
                width: 7),
            RecordColumn(
                name: "exact", rounding: unitVectors(rows: 2, width: 5, seed: 2), to: .fp32, rows: [1, 0, 1],
                width: 5),
        ])
}
