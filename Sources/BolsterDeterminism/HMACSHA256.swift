import CCrypto

/// The keyed hash of RFC 2104 with SHA-256, as request signatures use it.
package enum HMACSHA256 {
    /// 32 bytes.
    package static func code(key: [UInt8], message: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 32
        let done = HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &code, &length)
        guard done != nil, length == 32 else {
            fatalError("libcrypto offers no HMAC: this installation of OpenSSL is broken")
        }
        return code
    }

    package static func code(key: [UInt8], message: some StringProtocol) -> [UInt8] {
        code(key: key, message: Array(message.utf8))
    }
}
