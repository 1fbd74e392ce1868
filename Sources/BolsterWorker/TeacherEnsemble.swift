import BolsterAugmentation
import BolsterDataset
import BolsterInference

/// The manifest's teachers on one device, in its order: their L2-normalised vectors, concatenated.
final class TeacherEnsemble {
    /// Views or texts a model sees at once.
    let batch: Int
    /// D: the teachers' widths, added up.
    let width: Int
    /// Height and width of a view.
    let viewSize: AugmentationConfiguration.Size

    private struct Member {
        let teacher: Teacher
        let name: String
        let imageSize: Int
        let width: Int
        let normalizer: PixelNormalizer
    }

    private let members: [Member]
    /// The batch's pixels as one teacher wants them, used by each in turn.
    private var pixels: [Float] = []

    init(settings: Manifest.EnsembleSettings, teachers: [(Teacher, ModelPackage)]) throws {
        guard let size = settings.augmentation.outputSize else {
            throw WorkerError(.wrongManifest, "the augmentation fixes no size of a view: add a crop to it")
        }
        self.batch = settings.batch
        self.viewSize = size
        self.members = teachers.map { teacher, package in
            Member(
                teacher: teacher, name: package.name, imageSize: package.imageSize,
                width: package.embeddingWidth,
                normalizer: PixelNormalizer(mean: package.mean, std: package.std))
        }
        self.width = members.reduce(0) { $0 + $1.width }
        if let larger = members.first(where: { $0.imageSize > min(size.height, size.width) }) {
            throw WorkerError(
                .wrongManifest,
                "teacher \(larger.name) takes images of \(larger.imageSize) pixels, the views have "
                    + "\(size.height)"
                    + " × \(size.width): make the crop at least as large")
        }
    }

    /// - Parameter views: count × height × width × 3, 8 bits each.
    /// - Returns: count × D.
    func embed(views: UnsafeRawBufferPointer, count: Int) throws -> [Float] {
        let viewBytes = viewSize.height * viewSize.width * 3
        return try concatenate(count: count, of: "image") { member in
            let plane = 3 * member.imageSize * member.imageSize
            if pixels.count < count * plane { pixels = [Float](repeating: 0, count: count * plane) }
            return try pixels.withUnsafeMutableBufferPointer { pixels in
                guard let base = pixels.baseAddress else { return [] }
                for index in 0..<count {
                    let view = UnsafeRawBufferPointer(
                        rebasing: views[index * viewBytes..<(index + 1) * viewBytes])
                    member.normalizer.tensor(
                        fromView: view, height: viewSize.height, width: viewSize.width,
                        resizedTo: member.imageSize, into: base + index * plane)
                }
                let batch = UnsafeBufferPointer(start: base, count: count * plane)
                return try member.teacher.embedImages(batch, count: count)
            }
        }
    }

    /// - Returns: texts × D.
    func embed(texts: [String]) throws -> [Float] {
        try concatenate(count: texts.count, of: "text") { try $0.teacher.embedTexts(texts, batch: batch) }
    }

    /// Each teacher's rows side by side, after a check that every one is finite and of length 1.
    private func concatenate(
        count: Int, of kind: String, _ embed: (Member) throws -> [Float]
    ) throws -> [Float] {
        var rows = [Float](repeating: 0, count: count * width)
        var column = 0
        for member in members {
            let vectors = try embed(member)
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
