import ArgumentParser
import BolsterCoordinator
import BolsterDataset
import BolsterReport
import BolsterStatusPage
import BolsterStorage
import Foundation

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a merged dataset, and what it cost, in one HTML file.",
        discussion: """
            Samples with the crops of their views, captions with scores, statistics of texts and views \
            beside what is expected, what became of the input, and device-hours by stage. The file needs \
            nothing else.

              bolster report manifests/demo.yaml --output demo-run --out report.html --price cpu=0.05
              bolster report demo-run/dataset --out report.html

            With a manifest the dataset is that of its run, and device time comes from the run's ledger: \
            --state, or the run's state folder, or the newest copy of the ledger in its output. Of a dataset \
            alone the cost is not known, unless --state says it.
            """)

    @Argument(help: "A manifest, or the folder of a merged dataset.")
    var subject: String

    @Option(help: "The file to write.")
    var out: String

    @Option(help: "The run's folder, instead of the manifest's output.")
    var output: String?

    @Option(help: "The dataset's folder, where it is not the run's dataset/.")
    var dataset: String?

    @Option(help: "The coordinator's state folder, for device time.")
    var state: String?

    @Option(help: "What an hour of a device costs, e.g. cuda=2.5. May be repeated.")
    var price: [String] = []

    @Option(help: "Samples that are counted, spread over the shards.")
    var samples = 2_000

    @Option(help: "Samples that are shown.")
    var gallery = 12

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if samples < 1 { throw ValidationError("--samples takes a number from 1, not \(samples)") }
        if gallery < 0 || gallery > 500 { throw ValidationError("--gallery takes 0 to 500, not \(gallery)") }
    }

    func run() throws {
        try reporting {
            let prices = try DevicePrices(parsing: price)
            var limits = ReportContents.Limits()
            (limits.samples, limits.gallery) = (samples, gallery)
            let isDataset = try ObjectStore(root: location(subject)).exists("info.json")
            let run = isDataset ? nil : try PreparedRun(manifest: subject, output: output)
            let folder = dataset.map(location) ?? run?.defaultDataset ?? location(subject)
            var contents = try ReportContents(try ReportDataset(directory: folder), limits: limits)
            contents.cost = try cost(run, prices)
            let html = ReportPage(contents, version: BolsterVersion.text).html
            do {
                try Data(html.utf8).write(to: URL(fileURLWithPath: absolutePath(out)), options: .atomic)
            } catch {
                throw CommandError("the report cannot be written: \(out): \(error.localizedDescription)")
            }
            print("report   \(out), \(bytesText(Int64(html.utf8.count))), of \(folder)")
            return .done
        }
    }

    /// A bucket's address stays as it is.
    private func location(_ text: String) -> String { text.contains("://") ? text : absolutePath(text) }

    /// Nil where no ledger tells.
    private func cost(_ run: PreparedRun?, _ prices: DevicePrices) throws -> RunCost? {
        let own = run?.defaultState
        let known =
            state.map(absolutePath) ?? own.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
        let ledger: LedgerReader
        if let known {
            ledger = try LedgerReader(stateDirectory: known)
        } else if let run,
            let copy = try LedgerReader.newestCopy(in: run.output, log: logging.logger("bolster.report"))
        {
            ledger = copy
        } else {
            return nil
        }
        let status = try ledger.status()
        guard !status.uses.isEmpty else { return nil }
        let models = run.map(Self.models) ?? [:]
        return RunCost(
            uses: status.uses.map {
                RunCost.Use(
                    stage: $0.stage, models: models[$0.stage] ?? [], device: $0.device, samples: $0.samples,
                    seconds: $0.time / .seconds(1))
            }, held: status.devices.map { ($0.device, $0.held / .seconds(1)) }, prices: prices.perHour)
    }

    /// The models of each stage, by its name.
    static func models(_ run: PreparedRun) -> [String: [String]] {
        var models: [String: [String]] = [:]
        for stage in run.stages {
            switch stage.kind {
            case .captions(let index): models[stage.id.name] = [run.manifest.captioners[index].name]
            case .views, .groundTruthTexts, .captionTexts: models[stage.id.name] = run.teachers.map(\.name)
            }
        }
        return models
    }
}
