import ArgumentParser

@main
struct Bolster: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bolster",
        abstract: "Reinforces image-text datasets for CLIP training.",
        discussion: """
            A manifest says what to make: which shards, which captioners, which ensemble of teachers. The \
            manifest \
            decides bytes; flags decide where and how fast.

            On one machine:
              bolster run MANIFEST --workers 2
            On a cluster, one coordinator, many workers, a merge at the end:
              bolster coordinate MANIFEST --listen tcp://*:5570 --state DIR
              bolster work --coordinator tcp://HOST:5570 --devices cuda:0-7
              bolster merge MANIFEST --out DIR

            Exit codes: 0 all done; 1 it failed; 2 done, but units are quarantined or a check found faults; \
            3 stopped before the end, start again to go on; 4 refused by the coordinator; 64 wrong usage.
            """,
        version: BolsterVersion.text,
        subcommands: [
            Run.self, Plan.self, Coordinate.self, Work.self, Status.self, Retry.self, Invalidate.self,
            Extend.self, Drain.self, Recover.self, Merge.self, Join.self, Verify.self, Clean.self,
            Report.self, Inspect.self,
            Doctor.self, Keys.self, Views.self, Embed.self, Caption.self,
        ])
}

enum BolsterVersion {
    static let text = "0.1.0"
}
