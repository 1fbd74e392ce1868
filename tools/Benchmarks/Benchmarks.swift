import ArgumentParser

/// What Bolster can do, measured on the machine at hand. Each subcommand prints its figures.
@main
struct Benchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bolster-benchmarks", abstract: "Measures parts of Bolster on this machine.",
        subcommands: [Scale.self, ScaleServe.self, ScaleLoad.self])
}
