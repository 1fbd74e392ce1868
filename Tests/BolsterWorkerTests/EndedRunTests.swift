import BolsterLeasing
import BolsterMessaging
import BolsterStorage
import Foundation
import Testing

@testable import BolsterWorker

@Suite("EndedRun") struct EndedRunTests {
    private let store = ObjectStore(root: NSTemporaryDirectory() + "bolster-ended-" + UUID().uuidString)

    private func claim(_ generation: UInt64) throws {
        _ = try store.createExclusively(RunEnd.claim(generation: generation), [])
    }

    @Test("Word that the run is over is found, and is void once a later coordinator has begun") func found()
        throws
    {
        defer { remove() }
        try claim(1)
        #expect(try EndedRun.find(in: store, since: 1) == nil)
        try store.write(RunEnd.name(generation: 1), RunEnd(quarantined: 2, blocked: 3).bytes)
        #expect(try EndedRun.find(in: store, since: 1) == RunEnd(quarantined: 2, blocked: 3))
        // The worker was away while a second start came and went on.
        try claim(2)
        #expect(try EndedRun.find(in: store, since: 1) == nil)
        try store.write(RunEnd.name(generation: 2), RunEnd(quarantined: 0, blocked: 0).bytes)
        #expect(try EndedRun.find(in: store, since: 1) == RunEnd(quarantined: 0, blocked: 0))
    }

    @Test("A rendezvous that is left behind says so too") func rendezvous() {
        var place = Rendezvous(address: "tcp://h:1", serverKey: nil, generation: 3)
        #expect(EndedRun.find(at: place) == nil)
        place.state = .drained
        #expect(EndedRun.find(at: place) == nil)
        place.state = .finished(quarantined: 1, blocked: 0)
        #expect(EndedRun.find(at: place) == RunEnd(quarantined: 1, blocked: 0))
    }

    private func remove() {
        do {
            try FileManager.default.removeItem(atPath: store.root)
        } catch {
            print("left behind: \(store.root): \(error)")
        }
    }
}
