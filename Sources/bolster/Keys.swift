import ArgumentParser
import BolsterMessaging

/// `bolster keys`: who may speak with a coordinator off this machine.
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, allow, list and revoke the keys of coordinator and workers.",
        discussion: """
            Off loopback, coordinator and workers prove who they are with CURVE keys:

              bolster keys new coordinator.key       on the coordinator's machine
              bolster keys new worker.key            once for all workers, or once for each
              bolster keys new operator.key          for the person who gives orders
              bolster keys allow worker.key.pub --list allowed --name worker
              bolster keys allow operator.key.pub --list allowed --name me --operator

              bolster coordinate … --key coordinator.key --allow allowed
              bolster work … --key worker.key --server-key coordinator.key.pub

            The file without .pub is the secret half: it is made with mode 0600 and read with no other. \
            A running coordinator sees changes of the list within a second. Every allowed key may work and \
            ask for the status; drain, retry, invalidate and extend are taken from an operator's key alone.
            """,
        subcommands: [New.self, Allow.self, List.self, Revoke.self])
}

extension Keys {
    /// Makes a pair of key files.
    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a pair: FILE (secret, mode 0600) and FILE.pub. Replaces nothing.")

        @Argument(help: "Where the secret key goes.")
        var file: String

        func run() throws {
            let pair = try KeyStore.create(at: file)
            print("secret key: \(file)\npublic key: \(file).pub\n\(pair.publicKey.text)")
        }
    }

    /// Adds a public key to a list.
    struct Allow: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a public key on a coordinator's list; make the list when there is none.")

        @Argument(help: "A .pub file, or the 40 characters of the key.")
        var key: String

        @Option(help: "The coordinator's list of allowed keys.")
        var list: String

        @Option(help: "The name it goes by in listings and for `revoke`.")
        var name = ""

        @Flag(
            help: """
                An operator's key: it may drain, retry, invalidate and extend. Without, a key that is on the \
                list keeps its place and loses that right.
                """)
        var `operator` = false

        func run() throws {
            let allowed = try KeyStore.allow(
                KeyStore.publicKey(key), name: name, isOperator: `operator`, in: list)
            print("allowed \(allowed.line)")
        }
    }

    /// Shows a list.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Show the allowed keys and their names, one a line; +operator marks who may give orders.")

        @Argument(help: "The coordinator's list of allowed keys.")
        var list: String

        func run() throws {
            for allowed in try KeyStore.allowedKeys(at: list) {
                print(allowed.line)
            }
        }
    }

    /// Removes keys from a list.
    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a key off the list. Its open connections are silenced within a second.")

        @Argument(help: "The key's name, or its 40 characters.")
        var nameOrKey: String

        @Option(help: "The coordinator's list of allowed keys.")
        var list: String

        func run() throws {
            for revoked in try KeyStore.revoke(nameOrKey, in: list) {
                print("revoked \(revoked.line)")
            }
        }
    }
}
