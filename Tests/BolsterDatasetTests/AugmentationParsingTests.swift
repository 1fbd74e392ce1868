import Testing

@testable import BolsterDataset

@Suite("The augmentation's configuration")
struct AugmentationParsingTests {
    private func mistakes(_ text: String) -> [ManifestMistake] {
        do {
            _ = try AugmentationConfiguration.parse(text, file: "aug")
            return []
        } catch {
            return error.mistakes
        }
    }

    @Test("The trainer's wrapper, as JSON, is the same as the configuration alone, as YAML")
    func wrapper() throws {
        let json = """
            {"reinforce": {"image_augmentation": {
            \t"random_resized_crop": {"size": [224, 256], "scale": [0.1, 1.0], "interpolation": "cubic"},
            \t"rand_augment": {"enable": true, "p": 0.5, "fill": null}, "to_rgb": {"enable": true},
            \t"mixup": {"enable": false, "alpha": 1.0}}}}
            """
        let yaml = """
            random_resized_crop: {size: [224, 256], scale: [0.1, 1], interpolation: bicubic}
            rand_augment: {p: 0.5}
            to_rgb: {}
            """
        let configuration = try AugmentationConfiguration.parse(json, file: "a.json")
        #expect(configuration == (try AugmentationConfiguration.parse(yaml, file: "a.yaml")))
        #expect(configuration.randomResizedCrop?.size == .init(height: 224, width: 256))
        #expect(configuration.toRGB && !configuration.toTensor)
    }

    @Test("Arguments left out are torchvision's")
    func defaults() throws {
        let text = """
            uint8: {}
            resize: {size: 64}
            center_crop: {size: 32}
            random_crop: {size: 16}
            random_resized_crop: {size: 8}
            random_horizontal_flip: {}
            rand_augment: {}
            to_tensor: {}
            random_erase: {}
            normalize: {}
            """
        let configuration = try AugmentationConfiguration.parse(text, file: "a")
        var expected = AugmentationConfiguration()
        expected.uint8 = true
        expected.resize = .init(target: .shorterSide(64))
        expected.centerCrop = .init(height: 32, width: 32)
        expected.randomCrop = .init(size: .init(height: 16, width: 16))
        expected.randomResizedCrop = .init(size: .init(height: 8, width: 8))
        expected.horizontalFlip = 0.5
        expected.randAugment = .init()
        expected.toTensor = true
        expected.randomErase = .init()
        expected.normalize = .init(
            mean: AugmentationConfiguration.openCLIPMean, std: AugmentationConfiguration.openCLIPStd)
        #expect(configuration == expected)
    }

    @Test("A disabled transform is absent, and its mistakes are told all the same")
    func disabled() throws {
        let text = "{center_crop: {size: 8}, rand_augment: {enable: false, magnitude: 5}}"
        #expect(try AugmentationConfiguration.parse(text, file: "a").randAugment == nil)
        #expect(mistakes("{center_crop: {size: 8}, rand_augment: {enable: false, magnitude: x}}").count == 1)
    }

    @Test(
        "A wrong argument is told where it stands",
        arguments: [
            ("random_resized_crop: {}", "'size' is missing"),
            ("random_resized_crop: {size: 0}", "whole number from 1"),
            ("random_resized_crop: {size: [1, 2, 3]}", "[height, width]"),
            ("random_resized_crop: {size: 8, scale: [1, 0.5]}", "[low, high]"),
            ("random_resized_crop: {size: 8, scale: [0.5, 2]}", "[low, high]"),
            ("random_resized_crop: {size: 8, aspect_ratio: [0.5, 2]}", "unknown key 'aspect_ratio'"),
            ("rand_augment: {magnitude: 31}", "from 0 to 30"),
            ("rand_augment: {fill: [1, 2]}", "[red, green, blue]"),
            ("rand_augment: {p: 1.5}", "from 0.0 to 1.0"),
            ("random_erase: {value: 1}", "the trainer erases with 0"),
            ("normalize: {std: [0, 0, 0]}", "[red, green, blue]"),
            ("mixup: {}", "not supported by this version"),
            ("randaugment: {}", "did you mean 'rand_augment'?"),
            ("to_tensor: true", "expected a mapping"),
            ("to_tensor: {enable: 1}", "true or false"),
        ])
    func wrong(line: String, message: String) {
        let found = mistakes(line)
        #expect(found.contains { $0.message.contains(message) && $0.line == 1 }, "\(found)")
    }
}
