import ArgumentParser
import BolsterCoordinator
import BolsterLeasing

struct Extend: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add the shards to a run that its manifest names and the run does not have yet.",
        discussion: """
            Put the new shards into the manifest's input first. Shards that the run has must be as they \
            were; what is done for them stays done.

              bolster extend manifests/demo.yaml --coordinator tcp://127.0.0.1:5570
              bolster extend manifests/demo.yaml --state demo-run/state
            """)

    /// Bytes of names in one order, well below what a frame may have.
    private static let orderBytesMax = 512 << 10

    @Argument(help: "The manifest, a YAML file.")
    var manifest: String

    @OptionGroup var target: OrderOptions

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: nil)
            let shards = run.coordination(
                state: "", listen: "", security: nil, log: target.logging.logger("bolster.operator")
            ).shardReferences
            var total = 0
            for order in Self.orders(of: shards) {
                total = try target.order(.extend(ExtendRequest(shards: order))).shards
            }
            print("the run has \(total) shards")
            return .done
        }
    }

    private static func orders(of shards: [ShardReference]) -> [[ShardReference]] {
        var orders: [[ShardReference]] = []
        var bytes = 0
        for shard in shards {
            let size = shard.name.utf8.count + shard.location.utf8.count + shard.version.utf8.count + 32
            if orders.isEmpty || bytes + size > orderBytesMax
                || orders[orders.count - 1].count == LeaseProtocol.shardsPerExtensionMax
            {
                orders.append([])
                bytes = 0
            }
            orders[orders.count - 1].append(shard)
            bytes += size
        }
        return orders
    }
}
