import BolsterDeterminism

/// What a stage's fingerprint covers: the SHA-256 of these lines, which are everything that decides the bytes
/// of its records and nothing else. A line that changes gives the stage new units; a manifest whose paths,
/// output, batch sizes, leases or `merge:` change keeps all of them.
///
///     captions.*           seed, chunk, selection, model, captions, decoding, keep
///       with an endpoint   seed, chunk, selection, model_id, prompts, sampling, captions, keep
///     views                seed, chunk, selection, teachers, views, augmentation, store
///     texts.ground_truth   chunk, selection, teachers, store
///     texts.*              chunk, teachers, store, fingerprint of the captions that it reads
///
/// A text is embedded without any randomness, so no text stage depends on the seed itself. Of the decoding
/// only what its method uses counts, of the augmentation only what changes a teacher's pixels: `normalize`,
/// `to_tensor` and `to_rgb` go to the trainer, and each teacher normalises as its own package says. The
/// captioner's name does not count: it names the records, and they are kept apart by it.
extension Manifest {
    /// Raised when the code that makes records changes their bytes for the same lines.
    private static let version = 1

    /// All stages, each behind the one that it reads. `modelDigests` has the digest of each model package by
    /// its path as written, `selection` what `input.keep` names; a missing one is the caller's error and
    /// traps.
    package func stages(
        modelDigests: [String: SHA256Digest], selection chosen: SampleSelection? = nil
    ) -> [Stage] {
        precondition((chosen != nil) == (input.keep != nil), "a selection goes with input.keep")
        let selection = chosen?.line ?? "selection all"
        let digest = { (model: String) -> SHA256Digest in
            guard let digest = modelDigests[model] else {
                preconditionFailure("no digest for the model \(model)")
            }
            return digest
        }
        var stages = captioners.enumerated().map { index, captioner in
            Stage(
                id: .captions(column: captioner.column), kind: .captions(captioner: index),
                fingerprint: fingerprint("captions", captionLines(captioner, selection, digest)),
                reads: nil)
        }
        guard let ensemble else { return stages }
        let teachers = ensemble.teachers.map { "teacher \(digest($0).hex)" }
        let store = "store \(ensemble.store.rawValue)"
        stages.append(
            Stage(
                id: .views, kind: .views,
                fingerprint: fingerprint(
                    "views",
                    ["seed \(seed)", selection] + teachers + ["views \(ensemble.views)"]
                        + ensemble.augmentation.decidingLines + [store]), reads: nil))
        stages.append(
            Stage(
                id: .groundTruth, kind: .groundTruthTexts,
                fingerprint: fingerprint("texts", [selection] + teachers + [store]), reads: nil))
        for (index, captioner) in captioners.enumerated() where embeds(captioner) {
            let captions = stages[index]
            stages.append(
                Stage(
                    id: .texts(column: captioner.column), kind: .captionTexts(captioner: index),
                    fingerprint: fingerprint(
                        "texts", ["reads \(captions.fingerprint.hex)"] + teachers + [store]),
                    reads: captions.id))
        }
        return stages
    }

    /// The names of all stages, in the order of `stages`.
    package var stageIDs: [StageID] {
        let captions = captioners.map { StageID.captions(column: $0.column) }
        guard ensemble != nil else { return captions }
        return captions + [.views, .groundTruth]
            + captioners.filter(embeds).map { StageID.texts(column: $0.column) }
    }

    /// The paths of all model packages as written, captioners first, each once.
    package var models: [String] {
        var seen: Set<String> = []
        let all = captioners.compactMap(\.model) + (ensemble?.teachers ?? [])
        return all.filter { seen.insert($0).inserted }
    }

    /// Whether the ensemble embeds this captioner's captions.
    package func embeds(_ captioner: CaptionerSettings) -> Bool {
        guard let ensemble else { return false }
        do {
            return try Regex(ensemble.captions).firstMatch(in: captioner.column) != nil
        } catch {
            preconditionFailure("the parser lets no unreadable expression pass: \(ensemble.captions)")
        }
    }

    private func fingerprint(_ kind: String, _ lines: [String]) -> SHA256Digest {
        let all = ["bolster stage \(Self.version)", "kind \(kind)", "chunk \(chunk)"] + lines
        return SHA256Hasher.digest(of: all.map { $0 + "\n" }.joined())
    }

    private func captionLines(
        _ captioner: CaptionerSettings, _ selection: String, _ digest: (String) -> SHA256Digest
    ) -> [String] {
        let amount = ["captions \(captioner.captions)", "keep \(captioner.keep.rawValue)"]
        if let endpoint = captioner.endpoint {
            return ["seed \(endpoint.sampling.seed ?? seed)", selection] + amount + endpoint.decidingLines
        }
        guard let model = captioner.model else { preconditionFailure("a captioner without any model") }
        let decoding = captioner.decoding
        var lines = ["seed \(seed)", selection, "model \(digest(model).hex)"] + amount
        lines += [
            "method \(decoding.method.rawValue)",
            "min_length \(decoding.minLength)", "max_length \(decoding.maxLength)",
            "repetition_penalty \(decoding.repetitionPenalty)",
        ]
        switch decoding.method {
        case .greedy: break
        case .topK: lines += ["top_k \(decoding.topK)", "temperature \(decoding.temperature)"]
        case .topP: lines += ["top_p \(decoding.topP)", "temperature \(decoding.temperature)"]
        }
        return lines
    }
}

extension AugmentationConfiguration {
    /// What changes the pixels that a teacher sees, one line per transform in the order of application.
    fileprivate var decidingLines: [String] {
        var lines: [String] = []
        if uint8 { lines.append("uint8") }
        if let resize {
            switch resize.target {
            case .shorterSide(let length):
                lines.append("resize shorter \(length) \(resize.interpolation.rawValue)")
            case .exactly(let size): lines.append("resize \(size.line) \(resize.interpolation.rawValue)")
            }
        }
        if let centerCrop { lines.append("center_crop \(centerCrop.line)") }
        if let randomCrop {
            lines.append("random_crop \(randomCrop.size.line) pad \(randomCrop.padIfNeeded)")
        }
        if let crop = randomResizedCrop {
            lines.append(
                "random_resized_crop \(crop.size.line) scale \(crop.scale.line) ratio \(crop.ratio.line) "
                    + crop.interpolation.rawValue)
        }
        if let horizontalFlip { lines.append("random_horizontal_flip \(horizontalFlip)") }
        if let randAugment {
            let fill = randAugment.fill.map { $0.map { "\($0)" }.joined(separator: " ") } ?? "none"
            lines.append(
                "rand_augment p \(randAugment.probability) operations \(randAugment.operations) magnitude "
                    + "\(randAugment.magnitude) of \(randAugment.magnitudeBins) "
                    + "\(randAugment.interpolation.rawValue) fill \(fill)")
        }
        if let randomErase {
            lines.append(
                "random_erase p \(randomErase.probability) scale \(randomErase.scale.line) ratio "
                    + "\(randomErase.ratio.line) value \(randomErase.value)")
        }
        return lines
    }
}

extension AugmentationConfiguration.Size {
    fileprivate var line: String { "\(height)x\(width)" }
}

extension ClosedRange<Double> {
    /// Both ends, each in the fewest digits that name it.
    fileprivate var line: String { "\(lowerBound) \(upperBound)" }
}
