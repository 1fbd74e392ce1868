import BolsterDataset
import BolsterRecords
import Foundation

/// Merged samples in, the bytes of a dataset's shard out, in one of the formats. The published names are
/// spelled here and nowhere else.
struct SampleEncoder {
    private enum Form {
        case tar(TarWriter)
        case lines
    }

    private var form: Form
    private let embeddings: Manifest.MergeSettings.Embeddings

    init(_ settings: Manifest.MergeSettings) {
        embeddings = settings.embeddings
        switch settings.format {
        case .webdataset: form = .tar(TarWriter())
        case .jsonl: form = .lines
        }
    }

    mutating func append(_ sample: MergedSample, to output: inout [UInt8]) {
        switch form {
        case .tar(var tar):
            for (name, bytes) in files(of: sample) {
                tar.append(name: "\(sample.key).\(name)", bytes: bytes, to: &output)
            }
            form = .tar(tar)
        case .lines:
            PythonJSON.append(.object(fields(of: sample)), to: &output)
            output.append(0x0A)
        }
    }

    mutating func finish(to output: inout [UInt8]) {
        guard case .tar(var tar) = form else { return }
        tar.finish(to: &output)
        form = .tar(tar)
    }

    // MARK: Tars

    /// Extensions and contents, in the order in which they stand in the tar.
    private func files(of sample: MergedSample) -> [(String, [UInt8])] {
        var files: [(String, [UInt8])] = []
        if let image = sample.image { files.append((Self.imageExtension(image), image.bytes)) }
        if let text = sample.texts.first { files.append(("txt", Array(text.utf8))) }
        if let url = sample.url { files.append(("url.txt", url)) }
        if !sample.captions.isEmpty {
            files.append(("syn.json", PythonJSON.bytes(of: .object(sample.captions))))
        }
        if let parameters = sample.parameters {
            let field = JSONValue.Field("param_aug", parameters)
            files.append(("paug.json", PythonJSON.bytes(of: .object([field]))))
        }
        if !sample.matrices.isEmpty {
            switch embeddings {
            case .npz: files.append(("npz", NumpyArchive.bytes(of: sample.matrices)))
            case .pthGz: files.append(("pth.gz", TorchArchive.bytes(of: sample.matrices)))
            }
        }
        if let json = sample.scoredJSON { files.append(("json", json)) }
        return files
    }

    /// Its own extension where a trainer looks for it, otherwise its format's.
    private static func imageExtension(_ image: Member) -> String {
        if ImageFormat.extensions.contains(image.extension) { return image.extension }
        switch ImageFormat(magicOf: image.bytes) {
        case .jpeg, nil: return "jpg"
        case .png: return "png"
        case .webp: return "webp"
        }
    }

    // MARK: Lines

    /// The peer's names (RayGen's JSONL reader and writer): uid, url, image in base64, text, the captioners'
    /// columns, param_aug, embeddings; then what else the source's `json` says, and the scores.
    private func fields(of sample: MergedSample) -> [JSONValue.Field] {
        var fields: [JSONValue.Field] = [
            .init("uid", sample.facts?["uid"] ?? .string(sample.key)), .init("key", .string(sample.key)),
        ]
        if let url = sample.url { fields.append(.init("url", .string(String(decoding: url, as: UTF8.self)))) }
        if let image = sample.image {
            fields.append(.init("image", .string(Data(image.bytes).base64EncodedString())))
        }
        if sample.texts.count == 1 {
            fields.append(.init("text", .string(sample.texts[0])))
        } else if !sample.texts.isEmpty {
            fields.append(.init("text", .array(sample.texts.map { .string($0) })))
        }
        fields += sample.captions
        if let parameters = sample.parameters { fields.append(.init("param_aug", parameters)) }
        for matrix in sample.matrices {
            let packed = NumpyPickle.bytes(of: embeddings == .pthGz ? matrix.roundedToBF16 : matrix)
            fields.append(.init(matrix.name, .string(Data(packed).base64EncodedString())))
        }
        if let scores = sample.scores { fields.append(.init(CaptionScores.field, scores.json)) }
        if case .object(let facts)? = sample.facts {
            let taken = Set(fields.map(\.name))
            fields += facts.filter { !taken.contains($0.name) }
        }
        return fields
    }
}
