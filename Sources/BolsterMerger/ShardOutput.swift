import BolsterDeterminism
import BolsterStorage

/// One shard of a dataset on its way out: bytes are collected, hashed and written in pieces of a MiB, and the
/// file appears under its name, whole, when it is finished. One that goes unfinished leaves nothing.
struct ShardOutput: ~Copyable {
    private static let pieceBytes = 1 << 20

    private let name: String
    private var writer: ObjectWriter
    private var hash = XXH64Hasher()
    /// What waits to be written; the caller appends to it and then calls `flush`.
    var pending: [UInt8] = []

    init(_ name: String, in dataset: ObjectStore) throws(MergerError) {
        do throws(StorageError) {
            writer = try dataset.writer(name)
        } catch {
            throw Self.unwritable(name, error)
        }
        self.name = name
        pending.reserveCapacity(4 * Self.pieceBytes)
    }

    /// Writes what waits, once it is a piece.
    mutating func flush() throws(MergerError) {
        if pending.count > Self.pieceBytes { try write() }
    }

    /// Writes the rest and gives the file its name.
    ///
    /// - Parameter durably: false does not wait for a local disk.
    /// - Returns: the size, and the XXH64 in sixteen hexadecimal digits.
    consuming func finish(durably: Bool = true) throws(MergerError) -> (bytes: Int64, xxh64: String) {
        try write()
        let written = (writer.bytesWritten, Hexadecimal.text(of: hash.current()))
        do throws(StorageError) {
            try writer.commit(durably: durably)
        } catch {
            throw Self.unwritable(name, error)
        }
        return written
    }

    private mutating func write() throws(MergerError) {
        hash.update(pending)
        do throws(StorageError) {
            try writer.append(pending)
        } catch {
            throw Self.unwritable(name, error)
        }
        pending.removeAll(keepingCapacity: true)
    }

    private static func unwritable(_ name: String, _ cause: StorageError) -> MergerError {
        MergerError(.storage, "cannot write a shard of the dataset", evidence: [name], cause: cause)
    }
}
