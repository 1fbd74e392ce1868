import BolsterDataset
import BolsterDeterminism
import Testing

@testable import BolsterAugmentation

@Suite("Stored parameters")
struct ParameterTests {
    private static var datacomp: AugmentationConfiguration {
        var configuration = AugmentationConfiguration()
        configuration.randomResizedCrop = .init(size: .init(height: 224, width: 224), interpolation: .bicubic)
        configuration.randAugment = .init()
        return configuration
    }

    @Test("Drawn parameters read as the published ones do and parse back to themselves")
    func roundTrip() throws {
        let augmentation = Augmentation(Self.datacomp)
        let views = (0..<200).map {
            augmentation.sample(width: 640, height: 480, seed: 1, key: "000", view: $0)
        }
        let text = encodeParamAug(views)
        #expect(text.hasPrefix("[[["))
        #expect(try AugmentationParameters.list(parsing: text) == views)
        #expect(try AugmentationParameters(parsing: views[7].json) == views[7])
    }

    @Test("A list, a string of a list and the whole object give the same views")
    func forms() throws {
        let list = "[[[1, 2, 3, 4], [[5, -0.09000000357627869], [13, 0.0]]]]"
        let views = try AugmentationParameters.list(parsing: list)
        #expect(views.map(\.json) == ["[[1, 2, 3, 4], [[5, -0.09000000357627869], [13, 0.0]]]"])
        #expect(try AugmentationParameters.list(parsing: "\"\(list)\"") == views)
        #expect(
            try AugmentationParameters.list(parsing: "{\"uid\": {\"a\": [\"x\"]}, \"param_aug\": \(list)}")
                == views)
        #expect(try AugmentationParameters.list(parsing: "{\"param_aug\": \"\(list)\"}") == views)
    }

    @Test(
        "Text that is no parameter list is refused",
        arguments: [
            "", "[", "[[1, 2,]]", "{}", "[1]", "{\"param_aug\": 3}", "[[01]]", "[[1.]]", "[[1e]]", "[[NaN]]",
            "[[\"a\"]]",
            "[[1]] 2", "[[1e999]]", "\"[[1]]", String(repeating: "[", count: 1000), "[[truth]]",
            "{\"param_aug\" [[1]]}",
            "[[99999999999999999999]]",
        ])
    func refused(text: String) {
        #expect(throws: AugmentationError.self) { try AugmentationParameters.list(parsing: text) }
    }

    @Test("Another seed, key or view draws other parameters, the same ones draw the same")
    func determinism() {
        let augmentation = Augmentation(Self.datacomp)
        func draw(_ seed: UInt64, _ key: String, _ view: Int) -> String {
            augmentation.sample(width: 640, height: 480, seed: seed, key: key, view: view).json
        }
        #expect(draw(1, "a", 0) == draw(1, "a", 0))
        #expect(Set([draw(1, "a", 0), draw(2, "a", 0), draw(1, "b", 0), draw(1, "a", 1)]).count == 4)
    }

    @Test("Every transform with parameters leaves its value in the trainer's order")
    func everyTransform() throws {
        var configuration = Self.datacomp
        configuration.resize = .init(target: .shorterSide(256))
        configuration.horizontalFlip = 1
        configuration.randomErase = .init(probability: 0)
        let augmentation = Augmentation(configuration)
        #expect(
            augmentation.parameterNames
                == [
                    "resize", "random_resized_crop", "random_horizontal_flip", "rand_augment", "random_erase",
                ])
        let drawn = augmentation.sample(width: 100, height: 50, seed: 1, key: "a", view: 0)
        #expect(
            drawn.values[0] == .integer(256) && drawn.values[2] == .flag(true) && drawn.values[4] == .null)
    }
}

@Suite("Refusals")
struct RefusalTests {
    /// A 2×1 image as a PNG that the encoder of this module writes.
    private static func image(width: Int, height: Int) throws -> DecodedImage {
        let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 * 37) }
        return try DecodedImage(decoding: try PNGFile.encode(pixels, width: width, height: height))
    }

    private static func crop(
        _ parameters: String, _ change: (inout AugmentationConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = AugmentationConfiguration()
        configuration.randomResizedCrop = .init(size: .init(height: 4, width: 4))
        configuration.randAugment = .init(operations: 1)
        change(&configuration)
        _ = try Augmentation(configuration).view(
            try AugmentationParameters(parsing: parameters), of: image(width: 9, height: 7))
    }

    @Test(
        "Parameters that do not fit are refused, not guessed at",
        arguments: [
            "[]", "[[0, 0, 7, 9]]", "[[0, 0, 7], null]", "[[0, 0, 0, 9], null]",
            "[[0, 0, 7, 9], [[14, 0.0]]]",
            "[[0, 0, 7, 9], [[-1, 0.0]]]", "[[0, 0, 7, 9], [[10, 0.5]]]", "[[0, 0, 7, 9], [[10, 9.0]]]",
            "[[0, 0, 7, 9], []]", "[[0, 0, 7, 9], [[1]]]", "[[0, 0, 7, 9], [[1, 1e300]]]", "[null, null]",
            "[[0, 0, 100000, 100000], null]", "[[9223372036854775807, 0, 1, 1], null]",
            "[[0, 0, 7, 9], null, null]",
            "[[0, 0, 4611686018427387904, 4], null]",
        ])
    func unusable(parameters: String) {
        #expect(throws: AugmentationError.self) { try Self.crop(parameters) }
    }

    @Test("A box that leaves the image is black there, as Pillow's is")
    func boxOutside() throws {
        var configuration = AugmentationConfiguration()
        configuration.randomResizedCrop = .init(size: .init(height: 2, width: 2), interpolation: .nearest)
        let image = try Self.image(width: 9, height: 7)
        let view = try Augmentation(configuration).view(
            try AugmentationParameters(parsing: "[[-1, -1, 2, 2]]"), of: image)
        #expect(view[..<9].allSatisfy { $0 == 0 } && Array(view[9...]) == Array(image.pixels[..<3]))
    }

    @Test("Too many pixels or bytes are refused before any memory of that size is asked for")
    func limits() throws {
        let bytes = try PNGFile.encode([UInt8](repeating: 9, count: 300), width: 10, height: 10)
        for limits in [DecodeLimits(pixelsMax: 99), DecodeLimits(bytesMax: bytes.count - 1)] {
            let error = #expect(throws: AugmentationError.self) {
                try DecodedImage(decoding: bytes, limits: limits)
            }
            #expect(error?.skipReason == "image_too_large")
        }
        #expect(throws: Never.self) {
            try DecodedImage(decoding: bytes, limits: DecodeLimits(pixelsMax: 100))
        }
    }

    @Test("Every prefix of a PNG is decoded or refused, never more than it holds")
    func prefixes() throws {
        let bytes = try PNGFile.encode(
            (0..<3072).map { UInt8(truncatingIfNeeded: $0 * $0) }, width: 32, height: 32)
        for count in 0..<bytes.count {
            do {
                let image = try DecodedImage(decoding: Array(bytes[..<count]))
                #expect(image.width == 32 && image.height == 32)
            } catch {
                #expect([.undecodableImage, .unsupportedImage].contains(error.code))
            }
        }
    }
}

@Suite("Hostile parameters")
struct HostileParameterTests {
    @Test("Mutated parameter texts are read or refused, and what is read can be applied or is refused")
    func mutations() throws {
        var configuration = AugmentationConfiguration()
        configuration.randomResizedCrop = .init(size: .init(height: 5, width: 4), interpolation: .bicubic)
        configuration.randAugment = .init()
        let augmentation = Augmentation(configuration)
        let pixels = (0..<63).map { UInt8(truncatingIfNeeded: $0 * 71) }
        let image = try DecodedImage(decoding: try PNGFile.encode(pixels, width: 3, height: 7))
        var random = CounterRandom(seed: 5, purpose: .augmentation, key: "mutations", index: 0)
        let letters = Array("0123456789-+.eE[]{},: \"\\nulltruefalse".utf8)
        var applied = 0
        for index in 0..<20_000 {
            let drawn = augmentation.sample(width: 3, height: 7, seed: 1, key: "a", view: index)
            var text = Array("{\"param_aug\": [\(drawn.json)]}".utf8)
            for _ in 0..<random.integer(below: 4) {
                let place = random.integer(below: text.count)
                switch random.integer(below: 3) {
                case 0: text[place] = letters[random.integer(below: letters.count)]
                case 1: text.remove(at: place)
                default: text.insert(letters[random.integer(below: letters.count)], at: place)
                }
            }
            do {
                for view in try AugmentationParameters.list(parsing: String(decoding: text, as: UTF8.self)) {
                    _ = try augmentation.view(view, of: image)
                    applied += 1
                }
            } catch let error as AugmentationError {
                #expect([.malformedParameters, .unusableParameters].contains(error.code), "\(error)")
            }
        }
        #expect(applied > 5000)
    }
}
