import BolsterLeasing
import BolsterOracles
import BolsterTestKit
import Foundation
import Testing

@testable import BolsterStatusPage

@Suite("Prometheus metrics") struct PrometheusTextTests {
    private static func text(_ status: StatusReply = FakeRun(workers: 100).status) throws -> String {
        PrometheusText(status, prices: try DevicePrices(parsing: ["cuda=2.5"]), version: "0.1.0").text
    }

    private static func names(_ text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map {
                String($0.split(separator: " ")[2])
            })
    }

    @Test("Every line is a comment or a sample of a metric that was announced") func format() throws {
        var announced: Set<Substring> = []
        var samples: Set<Substring> = []
        for line in try Self.text().split(separator: "\n") {
            if let match = line.firstMatch(of: /^# (HELP|TYPE) (bolster_[a-z_]+) .+$/) {
                if match.1 == "TYPE" { #expect(announced.insert(match.2).inserted) }
                continue
            }
            let match = try #require(
                line.wholeMatch(
                    of: /(bolster_[a-z_]+)(\{([a-z]+="[^"\\\n]*",?)+\})? -?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?/))
            #expect(announced.contains(match.1))
            #expect(samples.insert(line.prefix { $0 != " " }).inserted)
        }
        #expect(samples.count > 40)
    }

    @Test("Labels that hold quotes, backslashes and ends of lines are escaped") func escaped() throws {
        var status = FakeRun(workers: 0).status
        status.run = "a\"b\\c\nd"
        #expect(try Self.text(status).contains(#"run="a\"b\\c\nd""#))
    }

    @Test("What is not known is absent, not zero") func absent() throws {
        var status = FakeRun(workers: 0).status
        status.stages = [StageStatus(stage: "views")]
        status.stages[0].units = 3
        status.uses = []
        status.devices = []
        let text = try Self.text(status)
        #expect(!text.contains("bolster_samples_left"))
        #expect(!text.contains("bolster_run_remaining_seconds"))
        #expect(!text.contains("bolster_cost_total"))
        #expect(text.contains("bolster_units{stage=\"views\",state=\"waiting\"} 3"))
    }

    @Test("Every kind of refusal is a counter from the start, and a device that computes wrongly is named")
    func refusals() throws {
        let text = try Self.text()
        #expect(text.contains("# TYPE bolster_refused_total counter"))
        #expect(text.contains("bolster_refused_total{kind=\"stranger\"} 12\n"))
        for kind in RefusalKind.allCases {
            #expect(text.contains("bolster_refused_total{kind=\"\(kind.rawValue)\"}"))
        }
        let device = #"bolster_devices_refused{worker="gpu0411/cuda:3",device="cuda:3",stage="views"} 1"#
        #expect(text.contains(device + "\n"))
    }

    @Test("The reference says what each kind of refusal is") func refusalsDocumented() throws {
        let page = try String(
            contentsOf: Python.checkout.appendingPathComponent("Sources/bolster/bolster.docc/Metrics.md"),
            encoding: .utf8)
        let listed = page.matches(of: /(?m)^\| `([a-z_]+)` \|/).map { String($0.1) }
        #expect(Set(listed).isSuperset(of: RefusalKind.allCases.map(\.rawValue)))
    }

    @Test("The reference lists each metric, and no other") func documented() throws {
        let page = try String(
            contentsOf: Python.checkout.appendingPathComponent("Sources/bolster/bolster.docc/Metrics.md"),
            encoding: .utf8)
        let listed = page.matches(of: /(?m)^\| `(bolster_[a-z_]+)`/).map { String($0.1) }
        #expect(Set(listed) == Self.names(try Self.text()))
    }

    @Test("The dashboard asks for metrics that there are") func dashboard() throws {
        let file = Python.checkout.appendingPathComponent("deploy/grafana/bolster.json")
        let text = try String(contentsOf: file, encoding: .utf8)
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let panels = try #require(json["panels"] as? [[String: Any]])
        #expect(panels.count > 8)
        let names = Self.names(try Self.text())
        for panel in panels {
            for target in try #require(panel["targets"] as? [[String: Any]]) {
                let asked = try #require(target["expr"] as? String).matches(of: /bolster_[a-z_]+/)
                #expect(!asked.isEmpty)
                for name in asked { #expect(names.contains(String(name.0))) }
            }
        }
    }

    @Test("promtool finds nothing to say", .enabled(if: Promtool.isThere)) func promtool() throws {
        let outcome = try Promtool.check(try Self.text())
        #expect(outcome.status == 0, "\(outcome.output)")
    }
}

/// Prometheus' own checker.
private enum Promtool {
    static let isThere: Bool = {
        let found = ["/usr/bin/promtool", "/usr/local/bin/promtool"].contains {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        if !found { print("skipped: promtool (Debian's package prometheus) is not installed") }
        return found
    }()

    static func check(_ text: String) throws -> (status: Int32, output: String) {
        let outcome = try OtherProgram.run(["promtool", "check", "metrics"], input: Data(text.utf8))
        return (outcome.status, outcome.allText)
    }
}
