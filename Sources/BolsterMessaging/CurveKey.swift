import CZMQ

/// A CURVE key, secret or public: 32 bytes, written as 40 characters of Z85 (ZeroMQ RFC 32).
package struct CurveKey: Hashable, Sendable {
    package let text: String

    /// Nil for anything that is not 40 characters of Z85.
    package init?(_ text: some StringProtocol) {
        let text = String(text)
        guard text.utf8.count == 40, Self.decode(text) != nil else { return nil }
        self.text = text
    }

    /// The key of 32 bytes; nil for any other number.
    init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        var text = [CChar](repeating: 0, count: 41)
        guard zmq_z85_encode(&text, bytes, 32) != nil else { return nil }
        self.text = String(decoding: text.prefix(40).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    var bytes: [UInt8] { Self.decode(text) ?? [] }

    private static func decode(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 32)
        // libzmq's decoder takes any character; ours must be of the alphabet and come back unchanged.
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), zmq_z85_decode(&bytes, text) != nil else {
            return nil
        }
        var again = [CChar](repeating: 0, count: 41)
        guard zmq_z85_encode(&again, bytes, 32) != nil else { return nil }
        return String(decoding: again.prefix(40).map { UInt8(bitPattern: $0) }, as: UTF8.self) == text
            ? bytes : nil
    }
}

/// A public key and the secret it belongs to. Its description shows the public half only.
package struct CurveKeyPair: Sendable, CustomStringConvertible {
    package let publicKey: CurveKey
    package let secretKey: CurveKey

    /// A fresh pair from the system's randomness.
    package static func generate() throws(MessagingError) -> CurveKeyPair {
        var publicText = [CChar](repeating: 0, count: 41)
        var secretText = [CChar](repeating: 0, count: 41)
        guard zmq_curve_keypair(&publicText, &secretText) == 0 else {
            throw .lastCall(
                "zmq_curve_keypair", "this libzmq was built without CURVE; install Debian's libzmq5")
        }
        func key(_ text: [CChar]) -> CurveKey? {
            CurveKey(String(decoding: text.prefix(40).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        guard let publicKey = key(publicText), let secretKey = key(secretText) else {
            throw MessagingError(
                .badKey, "libzmq made a key that is no Z85 text", evidence: "zmq_curve_keypair")
        }
        return CurveKeyPair(publicKey: publicKey, secretKey: secretKey)
    }

    private init(publicKey: CurveKey, secretKey: CurveKey) {
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    /// Takes a secret key and computes the public one.
    package init(secret: CurveKey) throws(MessagingError) {
        var publicText = [CChar](repeating: 0, count: 41)
        guard zmq_curve_public(&publicText, secret.text) == 0,
            let publicKey = CurveKey(
                String(decoding: publicText.prefix(40).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        else {
            throw .lastCall("zmq_curve_public", "the public half of the secret key could not be computed")
        }
        self.init(publicKey: publicKey, secretKey: secret)
    }

    package var description: String { "key pair \(publicKey.text)" }
}

/// What a listening socket needs to admit only peers it knows.
package struct ServerSecurity: Sendable {
    package let keys: CurveKeyPair
    package let allowed: AllowList

    package init(keys: CurveKeyPair, allowed: AllowList) {
        self.keys = keys
        self.allowed = allowed
    }
}

/// What a connecting socket needs: its own pair, and the server's public key, without which it would
/// talk to anybody who took over the address.
package struct ClientSecurity: Sendable {
    package let keys: CurveKeyPair
    package let serverKey: CurveKey

    package init(keys: CurveKeyPair, serverKey: CurveKey) {
        self.keys = keys
        self.serverKey = serverKey
    }
}
