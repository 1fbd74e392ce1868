import Foundation
import Testing

@testable import BolsterInference

@Suite struct ExponentialTests {
    @Test("Results are those of the C library to 2e-7 of themselves", arguments: [1, 7, 8, 9, 1003])
    func accuracy(count: Int) {
        var values = (0..<count).map { 3 - Float($0) * 85 / Float(count) }
        var output = [Float](repeating: -1, count: count)
        values.withUnsafeMutableBufferPointer { values in
            output.withUnsafeMutableBufferPointer { Exponential.fill($0, of: values, minus: 3, times: 1) }
        }
        for (value, result) in zip(values, output) {
            let expected = exp(Double(value) - 3)
            #expect(abs(Double(result) - expected) <= 2e-7 * expected)
        }
    }

    @Test("Nothing is larger than the top's own, and what is infinitely far is nothing")
    func ends() {
        var values: [Float] = [5, -.infinity, -1e30, 5]
        var output = [Float](repeating: -1, count: 4)
        values.withUnsafeMutableBufferPointer { values in
            output.withUnsafeMutableBufferPointer { Exponential.fill($0, of: values, minus: 5, times: 2) }
        }
        #expect(output[0] == 1 && output[3] == 1)
        #expect(output[1] < 2e-38 && output[2] < 2e-38)
    }
}
