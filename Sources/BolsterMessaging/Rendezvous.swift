import Glibc

/// Where a run's coordinator is to be found: a small file in a folder that all machines see, for clusters
/// where nobody knows beforehand on which machine it starts.
///
///     DIR/coordinator     bolster-rendezvous 1
///                         address tcp://node7:5570
///                         key <40 characters of Z85>                only where CURVE is used
///                         generation 3
///                         state running                             or: drained, finished <n> <n>
///
/// Each start of a coordinator replaces it, under a temporary name and a rename, so readers see the old file
/// or the new one. Workers and operators read it when they start and each time they connect anew.
package struct Rendezvous: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        case running
        /// Stopped before the end; another start goes on.
        case drained
        case finished(quarantined: Int, blocked: Int)
    }

    package var address: String
    /// The coordinator's public key; nil where it listens without keys.
    package var serverKey: CurveKey?
    /// Which start of a coordinator wrote this: a later one has the greater number.
    package var generation: UInt64
    package var state: State

    package init(address: String, serverKey: CurveKey?, generation: UInt64, state: State = .running) {
        self.address = address
        self.serverKey = serverKey
        self.generation = generation
        self.state = state
    }

    package static func path(in directory: String) -> String { directory + "/coordinator" }

    /// Replaces the file, unless a later coordinator has written it. Makes the folder if need be.
    package func write(to directory: String) throws(MessagingError) {
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else {
            throw .file(directory, "the rendezvous folder could not be made", errno: errno)
        }
        let known = try Self.read(from: directory)
        if let known, known.generation > generation { return }
        try KeyFile.write(Self.path(in: directory), text, mode: 0o644)
    }

    /// Nil where no coordinator has written yet.
    package static func read(from directory: String) throws(MessagingError) -> Rendezvous? {
        let path = path(in: directory)
        guard KeyFile.stamp(path) != nil else { return nil }
        // Who may write there decides where workers go; with keys, the server's key is pinned by the file.
        return try Rendezvous(text: try KeyFile.read(path, forbidding: 0o022), path: path)
    }

    var text: String {
        let state =
            switch state {
            case .running: "running"
            case .drained: "drained"
            case .finished(let quarantined, let blocked): "finished \(quarantined) \(blocked)"
            }
        let key = serverKey.map { "key \($0.text)\n" } ?? ""
        return "bolster-rendezvous 1\naddress \(address)\n\(key)generation \(generation)\nstate \(state)\n"
    }

    init(text: String, path: String) throws(MessagingError) {
        func damaged(_ what: String) -> MessagingError {
            MessagingError(
                .badRendezvous,
                "this is no rendezvous of a coordinator: \(what); start the coordinator again",
                evidence: path)
        }
        let lines = text.split(separator: "\n")
        guard lines.first == "bolster-rendezvous 1" else { throw damaged("its first line is another") }
        var values: [Substring: Substring] = [:]
        for line in lines.dropFirst() {
            guard let space = line.firstIndex(of: " ") else { throw damaged("\"\(line)\" has no value") }
            values[line[..<space]] = line[line.index(after: space)...]
        }
        guard let address = values["address"] else { throw damaged("it has no address") }
        guard let number = values["generation"], let generation = UInt64(number) else {
            throw damaged("it has no generation")
        }
        let key = values["key"].flatMap { CurveKey($0) }
        guard key != nil || values["key"] == nil else { throw damaged("its key is none") }
        guard let state = Self.state(values["state"] ?? "") else { throw damaged("its state is unknown") }
        self.init(address: String(address), serverKey: key, generation: generation, state: state)
    }

    private static func state(_ text: Substring) -> State? {
        let words = text.split(separator: " ")
        switch words.first {
        case "running": return .running
        case "drained": return .drained
        case "finished":
            guard words.count == 3, let quarantined = Int(words[1]), let blocked = Int(words[2]) else {
                return nil
            }
            return .finished(quarantined: quarantined, blocked: blocked)
        case nil, .some: return nil
        }
    }
}
