import ArgumentParser

struct Drain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Pause a run: workers finish their chunks and leave, then the coordinator ends.",
        discussion: """
            The same as SIGTERM to the coordinator, from elsewhere. Nothing is lost: a new start on the same \
            state folder goes on.

              bolster drain --coordinator tcp://127.0.0.1:5570
            """)

    @OptionGroup var place: CoordinatorOptions

    func validate() throws {
        if !place.isGiven { throw ValidationError("give --coordinator ENDPOINT or --rendezvous DIR") }
    }

    func run() throws {
        try reporting {
            _ = try OperatorConnection(place).order(.drain)
            print("draining: the coordinator ends when all leases are back")
            return .done
        }
    }
}
