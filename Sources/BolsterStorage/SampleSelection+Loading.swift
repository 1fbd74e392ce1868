import BolsterDataset

extension SampleSelection {
    /// More than fit into memory with room for anything else.
    private static let fileBytesMax = 16 << 30

    /// What `input.keep` names, read from where it lies: a path from the manifest's folder, or a URL. Nil
    /// where every sample is selected.
    package static func load(
        _ manifest: Manifest, manifestDirectory: String
    ) throws(StorageError) -> SampleSelection? {
        guard let keep = manifest.input.keep else { return nil }
        return try load(keep, manifestDirectory: manifestDirectory)
    }

    package static func load(
        _ keep: Manifest.UIDSelection, manifestDirectory: String
    ) throws(StorageError) -> SampleSelection {
        let resolved = Manifest.resolve(keep.uids, relativeTo: manifestDirectory)
        let location = resolved.hasPrefix("file://") ? String(resolved.dropFirst("file://".count)) : resolved
        let bytes = try StoredFile.read(location, bytesMax: fileBytesMax)
        do throws(DatasetError) {
            return SampleSelection(field: keep.field, uids: try UIDSet(file: location, bytes))
        } catch {
            throw StorageError(.badInput, path: location, error.message)
        }
    }
}
