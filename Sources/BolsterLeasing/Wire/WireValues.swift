import BolsterDeterminism
import SwiftProtobuf

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

// What both directions share: bounds, and the values inside messages.

func encoded(_ message: some Message) -> [UInt8] {
    let bytes: [UInt8]
    do {
        bytes = try message.serializedBytes()
    } catch {
        fatalError("a message of ours cannot be written: \(error)")
    }
    precondition(
        bytes.count <= LeaseProtocol.frameBytesMax,
        "a message of \(bytes.count) bytes is longer than a frame's \(LeaseProtocol.frameBytesMax)")
    return bytes
}

func decoded<Frame: Message>(_ bytes: [UInt8], version: KeyPath<Frame, UInt32>) throws(LeasingError) -> Frame
{
    guard bytes.count <= LeaseProtocol.frameBytesMax else {
        throw LeasingError(
            .oversized, "a frame has more than \(LeaseProtocol.frameBytesMax) bytes: dropped unread",
            evidence: "\(bytes.count) bytes")
    }
    let frame: Frame
    do {
        frame = try Frame(serializedBytes: bytes)
    } catch {
        throw malformed("a frame that is no message of the lease protocol", "\(error)")
    }
    let found = frame[keyPath: version]
    // Every version names itself, so nothing at all is noise.
    guard found > 0 else { throw malformed("a frame that is no message of the lease protocol", "no version") }
    guard found == LeaseProtocol.version else {
        throw LeasingError(
            .version(found: found),
            "the other side speaks version \(found) of the lease protocol, this program version "
                + "\(LeaseProtocol.version): use the same release of bolster on all machines")
    }
    return frame
}

func malformed(_ message: String, _ evidence: String) -> LeasingError {
    LeasingError(.malformed, message, evidence: evidence)
}

/// At most `bytesMax` bytes of `text`, cut between characters.
func cut(_ text: String, _ bytesMax: Int) -> String {
    guard text.utf8.count > bytesMax else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: bytesMax)
    while end.samePosition(in: text) == nil { end = text.utf8.index(before: end) }
    return String(text[..<end])
}

func bounded(_ count: Int, _ limit: Int, _ what: String) throws(LeasingError) {
    guard count <= limit else { throw malformed("more than \(limit) \(what) in one message", "\(count)") }
}

func name(_ text: String, _ field: String) throws(LeasingError) -> String {
    guard text.utf8.count <= LeaseProtocol.nameBytesMax else {
        throw malformed("a name of more than \(LeaseProtocol.nameBytesMax) bytes", field)
    }
    return text
}

func chunkNumber(_ number: UInt32) throws(LeasingError) -> Int {
    guard number <= LeaseProtocol.chunksPerUnitMax else {
        throw malformed("a chunk beyond the \(LeaseProtocol.chunksPerUnitMax)th", "chunk \(number)")
    }
    return Int(number)
}

/// A count that fits a signed integer with room to add.
func count(_ number: UInt64, _ field: String) throws(LeasingError) -> Int {
    guard number <= UInt64(Int64.max) / 2 else {
        throw malformed("an impossible count", "\(field) \(number)")
    }
    return Int(number)
}

func digest(_ bytes: Data) throws(LeasingError) -> SHA256Digest {
    guard bytes.count == 32, let digest = SHA256Digest(hex: Hexadecimal.text(of: bytes)) else {
        throw malformed("a fingerprint that has not 32 bytes", "\(bytes.count) bytes")
    }
    return digest
}

func duration(milliseconds: UInt64, _ field: String) throws(LeasingError) -> Duration {
    guard milliseconds <= 1_000_000_000_000 else { throw malformed("an impossible time", field) }
    return .milliseconds(Int64(milliseconds))
}

extension Duration {
    /// Whole milliseconds, never negative.
    var milliseconds: UInt64 {
        let (seconds, attoseconds) = components
        return seconds < 0 || attoseconds < 0
            ? 0 : UInt64(seconds) * 1_000 + UInt64(attoseconds / 1_000_000_000_000_000)
    }
}

extension SHA256Digest {
    var wire: Data { Data(bytes) }
}

extension Epoch {
    var wire: WireEpoch {
        .with {
            $0.generation = generation
            $0.grant = grant
        }
    }

    init(_ wire: WireEpoch?) throws(LeasingError) {
        guard let wire else { throw malformed("a message without its epoch", "epoch") }
        self.init(generation: wire.generation, grant: wire.grant)
    }
}

extension UnitID {
    var wire: WireUnit {
        .with {
            $0.stage = stage
            $0.shard = UInt32(shard)
        }
    }

    init(_ wire: WireUnit) throws(LeasingError) {
        guard !wire.stage.isEmpty else { throw malformed("a message without its unit", "unit") }
        self.init(stage: try name(wire.stage, "stage"), shard: Int(wire.shard))
    }
}
