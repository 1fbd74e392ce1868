import Testing

@testable import BolsterRecords

@Suite struct RecordFileNameTests {
    @Test("A path says what the name was made of")
    func roundTrip() throws {
        let name = RecordFileName(stage: "texts.syn_text", shard: "00017", chunk: 12, epoch: "3-40")
        #expect(name.path == "records/texts.syn_text/00017/000012-3-40.records")
        #expect(RecordFileName(path: name.path) == name)
        let late = RecordFileName(stage: "views", shard: "x", chunk: 12_345_678, epoch: "1-1")
        #expect(RecordFileName(path: late.path) == late)
    }

    @Test(
        "Other paths are no record files",
        arguments: [
            "", "records/views/x/000001-1-1.records.tmp", "records/views/000001-1-1.records",
            "records/views/x/1-1-1.records", "records/views/x/000001-1.records",
            "records/views/x/000001-1-a.records",
            "other/views/x/000001-1-1.records", "records/views/x/000001-01-1.records",
            "records/views/x/000001--1-1.records", "records/views/x/y/000001-1-1.records",
        ])
    func refused(path: String) {
        #expect(RecordFileName(path: path) == nil)
    }
}
