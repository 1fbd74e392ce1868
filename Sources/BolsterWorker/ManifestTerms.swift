import BolsterAugmentation
import BolsterDataset
import BolsterInference
import BolsterRecords

// The manifest's words in the words of the modules that carry them out: these know nothing of each other.

extension Manifest.EnsembleSettings.Store {
    var tensorType: TensorType {
        switch self {
        case .bf16: .bf16
        case .fp32: .fp32
        }
    }
}

extension Decoding {
    var captionDecoding: CaptionDecoding {
        let method: CaptionDecoding.Method =
            switch self.method {
            case .greedy: .greedy
            case .topK: .topK
            case .topP: .topP
            }
        return CaptionDecoding(
            method: method, topP: topP, topK: topK, temperature: temperature, minLength: minLength,
            maxLength: maxLength, repetitionPenalty: repetitionPenalty)
    }
}

extension Manifest.CaptionerSettings.Keep {
    var captionKeeping: CaptionKeeping {
        switch self {
        case .firstSentence: .firstSentence
        case .everything: .everything
        }
    }
}

extension ModelPackage {
    /// What brings an image to this model's input where no augmentation does.
    package var evaluationTransform: EvaluationTransform {
        let filter: AugmentationConfiguration.Interpolation =
            switch interpolation {
            case .bicubic: .bicubic
            case .bilinear: .bilinear
            }
        let mode: EvaluationTransform.ResizeMode =
            switch resizeMode {
            case .shortest: .shortest
            case .squash: .squash
            }
        return EvaluationTransform(imageSize: imageSize, interpolation: filter, resizeMode: mode)
    }
}

extension ModelPackage.Precision {
    /// How pixels are written for a model of this precision.
    var planeFormat: PlaneWriter.Format {
        switch self {
        case .fp32: .float32
        case .fp16: .float16
        case .bf16: .bfloat16
        }
    }
}

extension Device {
    /// What kind of processor computes, without which one it is.
    var kind: String {
        switch self {
        case .cpu: "cpu"
        case .cuda: "cuda"
        }
    }
}
