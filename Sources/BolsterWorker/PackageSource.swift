import BolsterInference
import BolsterStorage
import Foundation

/// Where a model package lies: a folder ("models/a", "file:///models/a"), or a URL under which its files are
/// ("s3://bucket/models/a", "https://host/models/a").
package struct PackageSource: Sendable, CustomStringConvertible {
    /// Without a slash at the end.
    package let location: String
    /// Whether the package is a folder of this machine.
    package let isLocal: Bool

    package init(_ text: String) {
        var location = text
        if let url = URL(string: text), url.isFileURL { location = url.path }
        while location.count > 1, location.hasSuffix("/") { location.removeLast() }
        self.location = location
        isLocal = !location.contains("://")
    }

    package var description: String { location }

    /// The package as its `model.json` describes it, with that file's bytes; nothing else is fetched.
    package func describe() throws -> (package: ModelPackage, description: [UInt8]) {
        if isLocal {
            let package = try ModelPackage(directory: location)
            return (package, [UInt8](try Data(contentsOf: URL(fileURLWithPath: package.path("model.json")))))
        }
        var bytes: [UInt8] = []
        try read("model.json", from: 0) { piece in
            bytes.append(contentsOf: piece)
            guard bytes.count <= ModelPackage.descriptionBytesMax else {
                throw WorkerError(.mismatch, "this is no model.json of a package", evidence: location)
            }
        }
        return (try ModelPackage(directory: location, description: bytes), bytes)
    }

    /// The package where it lies, or its verified copy: in `cache` where that is given, in
    /// `PackageCache.defaultRoot` where the package is not on this machine.
    package func open(cache: String?) throws -> ModelPackage {
        guard let root = cache ?? (isLocal ? nil : PackageCache.defaultRoot) else {
            return try ModelPackage(directory: location)
        }
        return try PackageCache(root: root).copy(of: self)
    }

    /// Gives a file's bytes from an offset to its end to `take`, piece by piece.
    func read(
        _ file: String, from offset: Int64, _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard !file.hasSuffix(".gz"), !file.hasSuffix(".zst") else {
            throw WorkerError(
                .mismatch, "a package's files are not compressed: unpack this one", evidence: file)
        }
        var reader = try ByteReader(opening: "\(location)/\(file)", at: offset)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = try reader.read(into: buffer)
            if count == 0 { return }
            try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}
