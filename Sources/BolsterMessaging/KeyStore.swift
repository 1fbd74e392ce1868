import Glibc

/// Key files and the allow-list on disk: plain text, a line each, words separated by one space.
///
///     secret file (mode 0600)   bolster-secret-key <40 characters of Z85>
///     public file               bolster-public-key <40 characters of Z85>
///     allow-list                <40 characters of Z85> <name>                one line for each key
///                               <40 characters of Z85> +operator <name>      one that may give orders
///
/// A list without the mark, as every one before there was a mark, admits workers and nobody who gives orders.
/// A line that begins with "#" is a comment; no key does, for its first five characters would say more
/// than 32 bits.
package enum KeyStore {
    /// Makes a pair; writes the secret to `path` and the public key to `path`.pub. Replaces neither.
    package static func create(at path: String) throws(MessagingError) -> CurveKeyPair {
        let pair = try CurveKeyPair.generate()
        for existing in [path, path + ".pub"] where access(existing, F_OK) == 0 {
            throw MessagingError(
                .badKeyFile, "the file exists; a key is never overwritten: choose another name, or remove it",
                evidence: existing)
        }
        try KeyFile.write(path, "bolster-secret-key \(pair.secretKey.text)\n", mode: 0o600)
        try KeyFile.write(path + ".pub", "bolster-public-key \(pair.publicKey.text)\n", mode: 0o644)
        return pair
    }

    /// Reads a secret file, which nobody but its owner may be able to read, and computes the public half.
    package static func pair(at path: String) throws(MessagingError) -> CurveKeyPair {
        let text = try KeyFile.read(path, forbidding: 0o077)
        guard let key = key(in: text, after: "bolster-secret-key") else {
            throw MessagingError(
                .badKeyFile, "this is no secret key file; `bolster keys new FILE` makes one", evidence: path)
        }
        return try CurveKeyPair(secret: key)
    }

    /// The public key in a `.pub` file, or the key itself given as 40 characters.
    package static func publicKey(_ fileOrKey: String) throws(MessagingError) -> CurveKey {
        if access(fileOrKey, F_OK) != 0, let key = CurveKey(fileOrKey) { return key }
        let text = try KeyFile.read(fileOrKey, forbidding: 0o022)
        guard let key = key(in: text, after: "bolster-public-key") else {
            throw MessagingError(
                .badKeyFile,
                "this holds no public key; give a .pub file made by `bolster keys new`, or the 40 characters",
                evidence: fileOrKey)
        }
        return key
    }

    private static func key(in text: String, after word: String) -> CurveKey? {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == word { return CurveKey(words[1]) }
        }
        return nil
    }
}

/// One admitted key and the name it goes by in listings.
package struct AllowedKey: Sendable, Equatable {
    package let key: CurveKey
    package let name: String
    /// May give orders to the coordinator.
    package let isOperator: Bool

    package init(key: CurveKey, name: String, isOperator: Bool = false) {
        self.key = key
        self.name = name
        self.isOperator = isOperator
    }

    static let operatorMark = "+operator"

    /// Its line in the list: key, mark, name, as far as there are such.
    package var line: String {
        ([key.text] + (isOperator ? [Self.operatorMark] : []) + (name.isEmpty ? [] : [name]))
            .joined(separator: " ")
    }
}

extension KeyStore {
    /// Everything an allow-list says; a line that is not understood is returned in `mistakes` and admits
    /// nobody.
    package static func parseAllowList(_ text: String) -> (allowed: [AllowedKey], mistakes: [String]) {
        var allowed: [AllowedKey] = []
        var mistakes: [String] = []
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let words = line.split(separator: " ", maxSplits: 1)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard let key = CurveKey(first) else {
                mistakes.append("line \(index + 1) does not begin with a key of 40 characters")
                continue
            }
            var name = words.count > 1 ? words[1] : ""
            let isOperator = name.split(separator: " ", maxSplits: 1).first ?? "" == AllowedKey.operatorMark
            if isOperator { name = name.dropFirst(AllowedKey.operatorMark.count + 1) }
            allowed.append(AllowedKey(key: key, name: String(name), isOperator: isOperator))
        }
        return (allowed, mistakes)
    }

    /// The keys of an allow-list file. A damaged line is an error here: this is what a person edits.
    package static func allowedKeys(at path: String) throws(MessagingError) -> [AllowedKey] {
        let (allowed, mistakes) = parseAllowList(try KeyFile.read(path, forbidding: 0o022))
        guard let mistake = mistakes.first else { return allowed }
        throw MessagingError(.badKeyFile, "\(mistake); correct or remove it", evidence: path)
    }

    /// Adds a key, or changes name and rights of one that is there; makes the file when there is none.
    @discardableResult
    package static func allow(
        _ key: CurveKey, name: String, isOperator: Bool = false, in path: String
    ) throws(MessagingError) -> AllowedKey {
        guard !name.contains(where: \.isNewline), !name.hasPrefix("+"), !name.hasPrefix(" ") else {
            throw MessagingError(
                .badKeyFile, "a name is one line of text that does not begin with a plus or a space",
                evidence: name)
        }
        let allowed = AllowedKey(key: key, name: name, isOperator: isOperator)
        try edit(path, creating: true) { keys in
            keys.removeAll { $0.key == key }
            keys.append(allowed)
        }
        return allowed
    }

    /// Removes the keys with this name or text, and says which they were.
    package static func revoke(_ nameOrKey: String, in path: String) throws(MessagingError) -> [AllowedKey] {
        var revoked: [AllowedKey] = []
        try edit(path, creating: false) { keys in
            revoked = keys.filter { $0.name == nameOrKey || $0.key.text == nameOrKey }
            keys.removeAll { $0.name == nameOrKey || $0.key.text == nameOrKey }
        }
        guard revoked.isEmpty else { return revoked }
        throw MessagingError(
            .badKeyFile, "the list holds no key or name \"\(nameOrKey)\"; `bolster keys list` shows them",
            evidence: path)
    }

    /// One editor at a time, by a lock on a file beside the list; readers see the old list or the new.
    private static func edit(
        _ path: String, creating: Bool, _ change: (inout [AllowedKey]) -> Void
    ) throws(MessagingError) {
        let lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw .file(path + ".lock", "the list's lock could not be opened", errno: errno)
        }
        defer { close(lock) }
        while flock(lock, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .file(path, "the list could not be locked", errno: errno) }
        }
        var keys: [AllowedKey] = []
        if access(path, F_OK) == 0 || !creating { keys = try allowedKeys(at: path) }
        change(&keys)
        let lines = keys.map { $0.line + "\n" }
        try KeyFile.write(path, "# name after key; edit with `bolster keys`\n" + lines.joined(), mode: 0o600)
    }
}
