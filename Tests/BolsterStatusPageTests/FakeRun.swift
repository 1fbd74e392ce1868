import BolsterLeasing
import Foundation
import Logging

@testable import BolsterStatusPage

/// A run as a coordinator would tell of it, without one: what the page's tests and pictures show.
struct FakeRun {
    var status: StatusReply

    /// Four stages over 65,536 shards of some 19,531 samples, on `workers` devices.
    init(workers: Int = 10_000, at running: Duration = .seconds(51_720)) {
        let total = 1_280_000_000
        func stage(
            _ name: String, reads: String? = nil, done: Int, open: Int, samples: Int, rate: Double
        ) -> StageStatus {
            var stage = StageStatus(stage: name)
            (stage.units, stage.done, stage.open, stage.reads) = (65_536, done, open, reads)
            (stage.samples, stage.chunks, stage.skipped) = (samples, samples / 1024, samples / 900)
            (stage.samplesLeft, stage.samplesPerSecond) = (total - samples, rate)
            return stage
        }
        var views = stage("views", done: 41_892, open: 2_160, samples: 821_248_000, rate: 2_940)
        (views.quarantined, views.samplesLeft) = (3, total - 821_248_000 - 58_593)
        status = StatusReply(
            run: "datacompdr-1b", state: .running,
            stages: [
                stage("captions.syn_text", done: 32_105, open: 6_022, samples: 630_067_200, rate: 1_730),
                views,
                stage("texts.ground_truth", done: 65_536, open: 0, samples: total, rate: 0),
                stage(
                    "texts.syn_text", reads: "captions.syn_text", done: 24_300, open: 1_120,
                    samples: 480_320_000, rate: 1_204.5),
            ],
            workers: (0..<workers).map(Self.worker), workersTotal: workers, quarantined: Self.quarantined,
            running: running)
        status.stages[2].samplesLeft = 0
        status.failing = [
            QuarantinedUnit(
                unit: UnitID(stage: "views", shard: 77), shard: "00000077", attempts: 1,
                message: "the shard cannot be read: Input/output error (/data/00000077.tar at byte 73400320)")
        ]
        status.uses = [
            DeviceUse(
                stage: "captions.syn_text", device: "cuda", samples: 630_067_200,
                time: .seconds(2_016_000_000)),
            DeviceUse(stage: "views", device: "cuda", samples: 821_248_000, time: .seconds(246_000_000)),
            DeviceUse(
                stage: "texts.ground_truth", device: "cuda", samples: 1_279_999_989,
                time: .seconds(12_800_000)),
            DeviceUse(stage: "texts.ground_truth", device: "cpu", samples: 11, time: .seconds(3)),
            DeviceUse(
                stage: "texts.syn_text", device: "cuda", samples: 480_320_000, time: .seconds(24_016_000)),
        ]
        status.devices = [
            DeviceStatus(device: "cpu", connected: workers / 50, held: .seconds(90_000)),
            DeviceStatus(
                device: "cuda", connected: workers - workers / 50, held: .seconds(2_400_000_000)),
        ]
        status.silent = .milliseconds(1_400)
        status.refused = [.stranger: 12, .severalParts: 3]
        status.refusedDevices = [
            RefusedDevice(
                worker: WorkerID("gpu0411/cuda:3"), host: "gpu0411", device: "cuda:3", stage: "views",
                message: "image_embedding differs from PyTorch's by 0.31", ago: .seconds(4_100))
        ]
    }

    private static let quarantined = [
        QuarantinedUnit(
            unit: UnitID(stage: "views", shard: 12), shard: "00000012", attempts: 3,
            message:
                "the shard is damaged: a tar header's checksum is wrong (/data/00000012.tar at byte 1536)"),
        QuarantinedUnit(
            unit: UnitID(stage: "views", shard: 411), shard: "00000411", attempts: 3,
            message: "the worker's device gives values that are not finite <script>alert(1)</script>"),
        QuarantinedUnit(
            unit: UnitID(stage: "views", shard: 907), shard: "00000907", attempts: 3,
            message: "the shard has changed since the run began: 812 MB then, 807 MB now"),
    ]

    private static func worker(_ index: Int) -> WorkerStatus {
        let stages = ["captions.syn_text", "captions.syn_text", "views", "texts.syn_text"]
        let isIdle = index % 211 == 0
        let node = String(format: "gpu%04d", index / 8)
        let steps: [StepWaits.Step] = [.model, .model, .model, .augmentation, .model, .reading, .model]
        return WorkerStatus(
            worker: WorkerID("\(node)/cuda:\(index % 8)"), host: node,
            device: index % 50 == 49 ? "cpu" : "cuda:\(index % 8)", leases: isIdle ? 0 : 1,
            samplesPerSecond: isIdle ? 0 : 0.17 + Double(index % 97) / 50,
            silent: .milliseconds(index % 997 == 3 ? 41_000 : 100 + index % 1900),
            stages: isIdle ? [] : [stages[index % 4]], bottleneck: isIdle ? nil : steps[index % 7])
    }

    /// States of the last `hours`, as the page would have seen them, with a dip in the middle.
    func publishHistory(hours: Int, to page: StatusPage) {
        var past = status
        let steps = hours * 720
        for step in 0..<steps {
            let phase = Double(step) / Double(steps)
            let dip = abs(phase - 0.55) < 0.04 ? 0.15 : 1.0
            past.running = status.running - .seconds(5 * (steps - step))
            for (index, stage) in status.stages.enumerated() {
                let wave = 1 + 0.06 * sin(phase * 40 + Double(index)) + 0.04 * sin(phase * 171)
                let base = stage.samplesPerSecond > 0 ? stage.samplesPerSecond : phase < 0.3 ? 4_100 : 0
                past.stages[index].samplesPerSecond = base * wave * dip
                past.stages[index].samples = Int(Double(stage.samples) * (0.5 + 0.5 * phase))
            }
            page.publish(past)
        }
        page.publish(status)
    }

    static func page(token: String? = nil, retry: StatusPage.Retry? = { _ in OperatorReply(units: 1) }) throws
        -> StatusPage
    {
        var file: String?
        if let token {
            let path =
                FileManager.default.temporaryDirectory.path
                + "/bolster-token-\(UInt64.random(in: 0 ... .max))"
            try (token + "\n").write(toFile: path, atomically: true, encoding: .utf8)
            file = path
        }
        defer { if let file { unlink(file) } }
        var log = Logger(label: "test")
        log.logLevel = .critical
        var configuration = StatusPage.Configuration(
            address: try PageAddress(parsing: "127.0.0.1:0"), tokenFile: file, version: "0.1.0", log: log)
        configuration.prices = try DevicePrices(parsing: ["cuda=2.5"])
        let page = try StatusPage(configuration, retry: retry)
        page.start()
        return page
    }
}
