import BolsterDataset
import Testing

@testable import BolsterAugmentation

@Suite("Contact sheet")
struct ContactSheetTests {
    /// A PNG of one row or one column, as the encoder of views writes it.
    private func sheet(width: Int, height: Int) throws -> ContactSheet {
        let pixels = [UInt8](repeating: 90, count: width * height * 3)
        let file = try PNGFile.encode(pixels, width: width, height: height)
        var configuration = AugmentationConfiguration()
        configuration.randomResizedCrop = .init(size: .init(height: 32, width: 32))
        let augmentation = Augmentation(configuration)
        let image = try DecodedImage(decoding: file)
        let parameters = (0..<12).map {
            augmentation.sample(width: width, height: height, seed: 3, key: "long", view: $0)
        }
        let views = try parameters.map { try augmentation.view($0, of: image) }
        return try ContactSheet(
            of: image, augmentation: augmentation, parameters: parameters, views: views,
            size: .init(height: 32, width: 32))
    }

    @Test("Images much longer than wide, and much wider than long, have their boxes inside the sheet")
    func longImages() throws {
        for (width, height) in [(1, 4000), (4000, 1), (1, 1), (2, 900)] {
            let sheet = try sheet(width: width, height: height)
            #expect(sheet.pixels.count == sheet.width * sheet.height * 3)
            #expect(sheet.height <= 560 + 16 || height <= width, "\(width)×\(height)")
        }
    }
}
