import Glibc
import Testing

@testable import BolsterMessaging

@Suite struct KeyStoreTests {
    private let scratch = Scratch()

    private func mode(_ path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test("A pair is written with its modes and read back, and neither file is ever overwritten")
    func create() throws {
        let path = scratch.path + "/server"
        let pair = try KeyStore.create(at: path)
        #expect(mode(path) == 0o600)
        #expect(mode(path + ".pub") == 0o644)
        #expect(try KeyStore.pair(at: path).publicKey == pair.publicKey)
        #expect(try KeyStore.publicKey(path + ".pub") == pair.publicKey)
        #expect(try KeyStore.publicKey(pair.publicKey.text) == pair.publicKey)
        #expect(throws: MessagingError.self) { try KeyStore.create(at: path) }
        #expect(try KeyStore.pair(at: path).publicKey == pair.publicKey)
        #expect(!"\(pair)".contains(pair.secretKey.text))
    }

    @Test(
        "A secret file that others may read is refused with the command that mends it",
        arguments: [0o640, 0o604])
    func modes(_ wide: UInt32) throws {
        let path = scratch.path + "/worker"
        _ = try KeyStore.create(at: path)
        chmod(path, wide)
        let error = #expect(throws: MessagingError.self) { try KeyStore.pair(at: path) }
        #expect(error?.message.contains("chmod 600 \(path)") == true)
    }

    @Test("A public key file is no secret one, and the reverse")
    func confused() throws {
        let path = scratch.path + "/worker"
        _ = try KeyStore.create(at: path)
        chmod(path + ".pub", 0o600)
        #expect(throws: MessagingError.self) { try KeyStore.pair(at: path + ".pub") }
        #expect(throws: MessagingError.self) { try KeyStore.publicKey(path) }
    }

    @Test("Keys are allowed, renamed, listed and revoked by name or key")
    func list() throws {
        let path = scratch.path + "/allowed"
        let first = try CurveKeyPair.generate().publicKey
        let second = try CurveKeyPair.generate().publicKey
        try KeyStore.allow(first, name: "node one", in: path)
        try KeyStore.allow(second, name: "", in: path)
        try KeyStore.allow(first, name: "node 1", in: path)
        #expect(try KeyStore.allowedKeys(at: path).map(\.name) == ["", "node 1"])
        #expect(mode(path) == 0o600)
        #expect(try KeyStore.revoke("node 1", in: path).map(\.key) == [first])
        #expect(try KeyStore.revoke(second.text, in: path).map(\.key) == [second])
        #expect(try KeyStore.allowedKeys(at: path).isEmpty)
        let error = #expect(throws: MessagingError.self) { try KeyStore.revoke("nobody", in: path) }
        #expect(error?.message.contains("nobody") == true)
    }

    @Test("Operators are marked; a list without the mark, as before there was one, has none") func operators()
        throws
    {
        let path = scratch.path + "/allowed"
        let keys = try (0..<3).map { _ in try CurveKeyPair.generate().publicKey }
        try KeyStore.allow(keys[0], name: "operator", in: path)
        try KeyStore.allow(keys[1], name: "me and you", isOperator: true, in: path)
        try KeyStore.allow(keys[2], name: "", isOperator: true, in: path)
        let allowed = try KeyStore.allowedKeys(at: path)
        #expect(allowed.map(\.isOperator) == [false, true, true])
        #expect(allowed.map(\.name) == ["operator", "me and you", ""])
        #expect(allowed[1].line == "\(keys[1].text) +operator me and you")
        let list = try AllowList(path: path)
        #expect(keys.map { list.contains($0.text) } == [true, true, true])
        #expect(keys.map { list.isOperator($0.text) } == [false, true, true])
        // Allowed anew without the mark, it is a worker's key again.
        try KeyStore.allow(keys[1], name: "me and you", in: path)
        list.reloadIfChanged()
        #expect(keys.map { list.isOperator($0.text) } == [false, false, true])
        #expect(try KeyStore.revoke("operator", in: path).map(\.key) == [keys[0]])
        #expect(throws: MessagingError.self) { try KeyStore.allow(keys[0], name: "+operator x", in: path) }
        let (old, mistakes) = KeyStore.parseAllowList("\(keys[0].text) node +operator 7\n\(keys[1].text)\n")
        #expect(old.map(\.isOperator) == [false, false] && mistakes.isEmpty)
        #expect(old.map(\.name) == ["node +operator 7", ""])
    }

    @Test("A damaged line admits nobody and is named, the others count")
    func damaged() throws {
        let key = try #require(CurveKey(String(repeating: "0", count: 40)))
        let (allowed, mistakes) = KeyStore.parseAllowList("# a comment\n\(key.text) a\n\nnonsense\n")
        #expect(allowed == [AllowedKey(key: key, name: "a")])
        #expect(mistakes.count == 1)
        #expect(mistakes.first?.contains("line 4") == true)
    }

    @Test(
        "What is not 40 characters of Z85 is no key",
        arguments: [
            "", "short", String(repeating: " ", count: 40), String(repeating: "~", count: 40),
            String(repeating: "#", count: 40), String(repeating: "0", count: 41),
        ])
    func keys(_ text: String) {
        #expect(CurveKey(text) == nil)
    }

    @Test("A queue gives back in order, also after a frame was put back")
    func queue() {
        var queue = FrameQueue(framesMax: 4)
        let taken = (0..<5).map { queue.append([UInt8($0)]) }
        #expect(taken == [true, true, true, true, false])
        let first = [queue.removeFirst(), queue.removeFirst()]
        #expect(first == [[0], [1]])
        queue.putBack([1])
        let fits = queue.append([4])
        #expect(fits && queue.count == 4)
        let rest = (0..<5).map { _ in queue.removeFirst() }
        #expect(rest == [[1], [2], [3], [4], nil])
        queue.removeAll()
        #expect(queue.isEmpty)
    }
}
