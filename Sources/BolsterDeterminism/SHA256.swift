import CCrypto

/// A SHA-256 value (FIPS 180-4): what names model files, records and fingerprints.
package struct SHA256Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes, first byte first.
    package let bytes: [UInt8]

    /// Takes 64 hexadecimal digits of either case; nil for anything else.
    package init?(hex: some StringProtocol) {
        guard let bytes = Hexadecimal.bytes(of: hex), bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    fileprivate init(bytes: [UInt8]) { self.bytes = bytes }

    /// 64 lower-case hexadecimal digits.
    package var hex: String { Hexadecimal.text(of: bytes) }
    package var description: String { hex }
}

/// SHA-256 over bytes that arrive in pieces.
package struct SHA256Hasher: ~Copyable {
    private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            fatalError("libcrypto offers no SHA-256: this installation of OpenSSL is broken")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    package mutating func update(_ text: some StringProtocol) {
        update(Array(text.utf8))
    }

    package consuming func finalize() -> SHA256Digest {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 32
        EVP_DigestFinal_ex(context, &digest, &length)
        return SHA256Digest(bytes: digest)
    }

    package static func digest(of bytes: [UInt8]) -> SHA256Digest {
        var hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finalize()
    }

    package static func digest(of text: some StringProtocol) -> SHA256Digest {
        digest(of: Array(text.utf8))
    }
}
