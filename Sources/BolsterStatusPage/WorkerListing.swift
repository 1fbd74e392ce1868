import BolsterLeasing

/// One page of the workers, as sorted and searched for.
struct WorkerListing {
    enum Sort: String, CaseIterable {
        case name, host, device, stage, rate, bottleneck, silent
    }

    static let perPageMax = 500

    let matching: Int
    let page: Int
    let pages: Int
    let workers: [WorkerStatus]

    /// - Parameters:
    ///   - page: from 1; beyond the last one is the last one.
    ///   - search: part of the name, host, device or a stage, in any case; empty: all.
    init(
        _ all: [WorkerStatus], page: Int, perPage: Int, sort: Sort, descending: Bool, search: String
    ) {
        let perPage = min(max(1, perPage), Self.perPageMax)
        let wanted = search.lowercased()
        let found =
            wanted.isEmpty
            ? all
            : all.filter { worker in
                ([worker.worker.name, worker.host, worker.device] + worker.stages).contains {
                    $0.lowercased().contains(wanted)
                }
            }
        matching = found.count
        pages = max(1, (found.count + perPage - 1) / perPage)
        self.page = min(max(1, page), pages)
        let sorted = found.sorted { left, right in
            let order = Self.compare(left, right, sort)
            if order != 0 { return descending ? order > 0 : order < 0 }
            return left.worker.name < right.worker.name
        }
        workers = Array(sorted.dropFirst((self.page - 1) * perPage).prefix(perPage))
    }

    /// Below, above or at zero as `left` comes before, after or beside `right`.
    private static func compare(_ left: WorkerStatus, _ right: WorkerStatus, _ sort: Sort) -> Int {
        func order<Value: Comparable>(_ value: (WorkerStatus) -> Value) -> Int {
            let (a, b) = (value(left), value(right))
            return a == b ? 0 : a < b ? -1 : 1
        }
        return switch sort {
        case .name: order { $0.worker.name }
        case .host: order { $0.host }
        case .device: order { $0.device }
        case .stage: order { $0.stages.first ?? "" }
        case .rate: order { $0.samplesPerSecond }
        case .bottleneck: order { $0.bottleneck?.rawValue ?? "" }
        case .silent: order { $0.silent }
        }
    }
}
