import BolsterLeasing
import BolsterRecords
import Testing

@Suite struct RecordNameTests {
    @Test("The name under which a worker commits a chunk is the one under which the merger looks for it")
    func names() {
        for (chunk, epoch) in [
            (0, Epoch(generation: 1, grant: 1)), (1_234_567, Epoch(generation: 12, grant: 9)),
        ] {
            let written = recordFileName(stage: "views", shard: "00012", chunk: chunk, epoch: epoch)
            let read = RecordFileName(path: written)
            #expect(read == RecordFileName(stage: "views", shard: "00012", chunk: chunk, epoch: "\(epoch)"))
        }
    }
}
