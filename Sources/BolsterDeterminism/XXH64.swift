import CXXHash

/// XXH64 with seed 0 (xxhash specification 0.1.1) over bytes that arrive in pieces: the check on
/// ranges of shards and on record files.
package struct XXH64Hasher: ~Copyable {
    private let state: OpaquePointer

    package init() {
        guard let state = XXH64_createState() else { fatalError("out of memory for 88 bytes of hash state") }
        XXH64_reset(state, 0)
        self.state = state
    }

    deinit { XXH64_freeState(state) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        XXH64_update(state, bytes.baseAddress, bytes.count)
    }

    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The hash of all bytes so far; more may follow.
    package borrowing func current() -> UInt64 { XXH64_digest(state) }

    package static func hash(of bytes: UnsafeRawBufferPointer) -> UInt64 {
        XXH64(bytes.baseAddress, bytes.count, 0)
    }

    package static func hash(of bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { hash(of: $0) }
    }
}
