import BolsterDataset
import Foundation
import Testing

@Suite struct ManifestFilesTests {
    private static let names: [String] = {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: Repository.root + "/manifests")
                .filter { $0.hasSuffix(".yaml") }.sorted()
        } catch {
            return ["unreadable: \(error)"]
        }
    }()

    @Test("A shipped manifest has no mistake", arguments: names)
    func parses(_ name: String) throws {
        let path = Repository.root + "/manifests/" + name
        _ = try Manifest.parse(String(contentsOfFile: path, encoding: .utf8), file: path)
    }

    @Test("The demo's manifest is shipped")
    func shipped() {
        #expect(Self.names.contains("demo.yaml"))
    }
}
