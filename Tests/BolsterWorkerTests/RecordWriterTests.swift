import Synchronization
import Testing

@testable import BolsterWorker

@Suite struct RecordWriterTests {
    @Test("Chunks are stored in order, all of them before finish returns")
    func order() throws {
        let stored = Mutex<[Int]>([])
        let writer = RecordWriter(name: "test", meter: StepMeter(threads: 1))
        for chunk in 0..<50 { try writer.append { stored.withLock { $0.append(chunk) } } }
        try writer.finish()
        #expect(stored.withLock { $0 } == Array(0..<50))
    }

    @Test("After a chunk that cannot be stored nothing is stored, and every caller hears why")
    func failure() throws {
        let stored = Mutex<[Int]>([])
        let writer = RecordWriter(name: "test", meter: StepMeter(threads: 1))
        #expect(throws: WorkerError.self) {
            for chunk in 0..<50 {
                try writer.append {
                    if chunk == 3 { throw WorkerError(.unwritable, "the disk is full") }
                    stored.withLock { $0.append(chunk) }
                }
            }
        }
        #expect(throws: WorkerError.self) { try writer.finish() }
        #expect(stored.withLock { $0 } == [0, 1, 2])
    }
}
