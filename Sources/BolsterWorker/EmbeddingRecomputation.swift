import BolsterAugmentation
import BolsterDataset
import BolsterInference
import Logging

/// Computes a merged sample's embeddings again, from its image, its stored parameters and its texts: what a
/// dataset's check by sample compares with. Batches are the sample's own, so that numbers may differ from the
/// stored ones by what another batch size changes.
package final class EmbeddingRecomputation {
    private let ensemble: TeacherEnsemble
    private let augmentation: Augmentation

    /// Loads and proves the manifest's teachers on the CPU.
    ///
    /// - Throws: WorkerError where the manifest has no ensemble; what loading a model throws.
    package init(manifest: Manifest, manifestDirectory: String, threads: Int, log: Logger) throws {
        guard let settings = manifest.ensemble else {
            throw WorkerError(.wrongManifest, "this manifest has no ensemble: there are no embeddings")
        }
        var teachersOnly = manifest
        teachersOnly.captioners = []
        let shelf = try ModelShelf(
            manifest: teachersOnly, manifestDirectory: manifestDirectory, device: .cpu, threads: threads,
            cache: nil, runtime: try InferenceRuntime.locate(), log: log)
        ensemble = try shelf.teachers(settings)
        augmentation = Augmentation(settings.augmentation)
    }

    /// D.
    package var width: Int { ensemble.width }

    /// The views' embeddings, views × D.
    ///
    /// - Parameter parameters: `param_aug`, a JSON list with one element per view.
    package func views(of image: [UInt8], parameters: String) throws -> [Float] {
        let decoded = try image.withUnsafeBytes { try DecodedImage(decoding: $0, limits: DecodeLimits()) }
        let views = try AugmentationParameters.list(parsing: parameters)
        let batch = RowBatch(capacity: views.count, widths: ensemble.viewPlanes.rowWidths)
        for (index, parameters) in views.enumerated() {
            try ensemble.viewPlanes.write(
                parameters, of: decoded, with: augmentation, into: batch.row(index))
        }
        batch.count = views.count
        return try ensemble.embedImages(batch)
    }

    /// The texts' embeddings, texts × D.
    package func texts(_ texts: [String]) throws -> [Float] {
        guard !texts.isEmpty else { return [] }
        let batch = RowBatch(capacity: texts.count, widths: ensemble.textRowWidths)
        for (index, text) in texts.enumerated() {
            for (model, tokenize) in ensemble.tokenizers.enumerated() {
                tokenize(text).withUnsafeBytes { batch.row(index)[model].copyMemory(from: $0) }
            }
        }
        batch.count = texts.count
        return try ensemble.embedTexts(batch)
    }
}
