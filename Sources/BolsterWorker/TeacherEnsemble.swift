import BolsterAugmentation
import BolsterDataset
import BolsterInference

/// The manifest's teachers on one device, in its order: their L2-normalised vectors, concatenated.
///
/// Belongs to the thread that owns the models; what the preparing threads need of it are values.
final class TeacherEnsemble {
    private struct Member {
        let teacher: Teacher
        let name: String
        let width: Int
    }

    private let members: [Member]
    /// Rows at once, as far as the device has memory.
    private var limit: BatchLimit
    /// D: the teachers' widths, added up.
    let width: Int
    /// How views become the rows of a batch.
    let viewPlanes: ViewPlanes
    /// A text's token ids, by teacher.
    let tokenizers: [@Sendable (String) -> [Int64]]
    /// Bytes of a row of token ids, by teacher.
    let textRowWidths: [Int]

    init(settings: Manifest.EnsembleSettings, teachers: [(Teacher, ModelPackage)]) throws {
        guard let size = settings.augmentation.outputSize else {
            throw WorkerError(.wrongManifest, "the augmentation fixes no size of a view: add a crop to it")
        }
        limit = BatchLimit(rows: settings.batch)
        members = teachers.map { teacher, package in
            Member(teacher: teacher, name: package.name, width: package.embeddingWidth)
        }
        width = members.reduce(0) { $0 + $1.width }
        let packages = teachers.map(\.1)
        viewPlanes = ViewPlanes(
            writers: packages.map {
                PlaneWriter(
                    mean: $0.mean, std: $0.std, viewSize: size, imageSize: $0.imageSize,
                    format: $0.precision.planeFormat)
            })
        tokenizers = teachers.map(\.0.tokenize)
        textRowWidths = packages.map { $0.contextLength * MemoryLayout<Int64>.stride }
        if let larger = packages.first(where: { $0.imageSize > min(size.height, size.width) }) {
            throw WorkerError(
                .wrongManifest,
                "teacher \(larger.name) takes images of \(larger.imageSize) pixels, the views have "
                    + "\(size.height)"
                    + " × \(size.width): make the crop at least as large")
        }
    }

    /// - Parameter batch: per teacher the pixels [3, S, S] of each row.
    /// - Returns: rows × D.
    func embedImages(_ batch: RowBatch) throws -> [Float] {
        try concatenate(batch, of: "image") { teacher, model, rows in
            try teacher.embedImages(planes: batch.bytes(rows, of: model), count: rows.count)
        }
    }

    /// - Parameter batch: per teacher the token ids [L] of each row.
    /// - Returns: rows × D.
    func embedTexts(_ batch: RowBatch) throws -> [Float] {
        try concatenate(batch, of: "text") { teacher, model, rows in
            try teacher.embedTokens(
                batch.values(rows, of: model, as: Int64.self), count: rows.count)
        }
    }

    /// The most rows that were computed at once since the last call, where that was not a whole batch.
    func takeReduction() -> Int? { limit.takeReduction() }

    /// Proves that the device answers as PyTorch did.
    func runProbe() throws {
        for member in members { try member.teacher.runProbe() }
    }

    /// Computes a batch of nothing with every teacher, so that memory is taken and kernels are chosen before
    /// a lease counts its time, and a batch that does not fit is halved.
    ///
    /// - Parameter rowsMax: nil for the whole batch.
    func warmUp(atMost rowsMax: Int?) throws {
        try limit.warmUp(atMost: rowsMax) { rows in
            for member in members { try member.teacher.warmUp(images: rows, texts: rows) }
        }
    }

    /// Each teacher's rows side by side, after a check that every one is finite and of length 1.
    private func concatenate(
        _ batch: RowBatch, of kind: String, _ embed: (Teacher, Int, Range<Int>) throws -> [Float]
    ) throws -> [Float] {
        let count = batch.count
        var rows = [Float](repeating: 0, count: count * width)
        var column = 0
        for (model, member) in members.enumerated() {
            let vectors = try limit.inSlices(of: count) { try embed(member.teacher, model, $0) }
            guard vectors.count == count * member.width else {
                throw WorkerError(
                    .wrongResult,
                    "teacher \(member.name) gave \(vectors.count) numbers for \(count) \(kind)s"
                        + " of width \(member.width)")
            }
            for row in 0..<count {
                var square: Float = 0
                for index in 0..<member.width {
                    let value = vectors[row * member.width + index]
                    square += value * value
                    rows[row * width + column + index] = value
                }
                // NaN fails the comparison too.
                guard abs(square - 1) < 1e-3 else {
                    throw WorkerError(
                        .wrongResult,
                        "teacher \(member.name) gave an \(kind) embedding whose squared norm is"
                            + " \(square) instead of 1: the model or the device computes wrongly")
                }
            }
            column += member.width
        }
        return rows
    }
}
