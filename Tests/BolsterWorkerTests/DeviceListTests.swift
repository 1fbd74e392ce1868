import BolsterInference
import Testing

@testable import BolsterWorker

@Suite struct DeviceListTests {
    @Test("Ranges and lists of devices are spelt out")
    func lists() throws {
        #expect(try DeviceList.parse("cpu") == [.cpu])
        #expect(try DeviceList.parse("cuda:0-2") == [.cuda(0), .cuda(1), .cuda(2)])
        #expect(try DeviceList.parse("cuda:3,cpu") == [.cuda(3), .cpu])
    }

    @Test(
        "What is no device is refused",
        arguments: ["", "gpu", "cuda:", "cuda:3-1", "cuda:1,cuda:0-1", "cpu,,"])
    func mistakes(text: String) {
        #expect(throws: (any Error).self) { try DeviceList.parse(text) }
    }
}
