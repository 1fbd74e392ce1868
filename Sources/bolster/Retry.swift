import ArgumentParser
import BolsterLeasing

struct Retry: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put quarantined units back, with all their attempts, and what waits for them.",
        discussion: """
            On a running coordinator, or on the state folder of a run that has ended: start it again then.

              bolster retry --coordinator tcp://127.0.0.1:5570
              bolster retry --state demo-run/state --stage captions.syn_text --shard 00012

            Without --stage and --shard, all of them.
            """)

    @Option(help: "Only units of this stage, as `bolster status` names it. May be given again.")
    var stage: [String] = []

    @Option(help: "Only units of the shard of this name. May be given again.")
    var shard: [String] = []

    @OptionGroup var target: OrderOptions

    func run() throws {
        try reporting {
            let reply = try target.order(.retry(RetryRequest(stages: stage, shards: shard)))
            print("\(reply.units) units put back")
            return .done
        }
    }
}
