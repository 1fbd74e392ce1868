import Foundation
import Testing

@testable import BolsterMessaging

@Suite("Rendezvous") struct RendezvousTests {
    private let folder = NSTemporaryDirectory() + "bolster-rendezvous-" + UUID().uuidString

    @Test("What a coordinator writes is what workers read, with and without a key") func roundTrip() throws {
        defer { remove() }
        #expect(try Rendezvous.read(from: folder) == nil)
        let key = try CurveKeyPair.generate().publicKey
        for (generation, key) in [(1, nil), (2, key)] as [(UInt64, CurveKey?)] {
            for state in [Rendezvous.State.running, .drained, .finished(quarantined: 1, blocked: 2)] {
                let place = Rendezvous(
                    address: "tcp://node7:5570", serverKey: key, generation: generation, state: state)
                try place.write(to: folder)
                #expect(try Rendezvous.read(from: folder) == place)
            }
        }
        // An older coordinator that ends later does not write over the newer one's place.
        try Rendezvous(address: "tcp://old:1", serverKey: nil, generation: 1, state: .drained).write(
            to: folder)
        #expect(try Rendezvous.read(from: folder)?.address == "tcp://node7:5570")
    }

    @Test("A damaged file is refused with what is wrong and what to do") func damaged() throws {
        let text = "bolster-rendezvous 1\naddress tcp://h:1\ngeneration 3\nstate running\n"
        #expect(try Rendezvous(text: text, path: "p").generation == 3)
        for (part, other) in [
            ("rendezvous 1", "rendezvous 2"), ("address tcp://h:1\n", ""), ("generation 3", "generation x"),
            ("state running", "state lost"), ("state running", "key short\nstate running"),
        ] {
            #expect { try Rendezvous(text: text.replacing(part, with: other), path: "p") } throws: { error in
                (error as? MessagingError)?.code == .badRendezvous
                    && "\(error)".contains("start the coordinator")
            }
        }
    }

    private func remove() {
        do {
            try FileManager.default.removeItem(atPath: folder)
        } catch {
            print("left behind: \(folder): \(error)")
        }
    }
}
