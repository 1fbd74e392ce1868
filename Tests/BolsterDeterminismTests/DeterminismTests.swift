import Testing

@testable import BolsterDeterminism

@Suite struct DeterminismTests {
    @Test("SHA-256 gives the vectors of FIPS 180-4, whole and in pieces")
    func sha256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(SHA256Hasher.digest(of: "abc").hex == expected)
        var hasher = SHA256Hasher()
        hasher.update("a")
        hasher.update("bc")
        #expect(hasher.finalize().hex == expected)
        #expect(SHA256Digest(hex: expected)?.hex == expected)
        #expect(SHA256Digest(hex: "abc") == nil)
    }

    @Test("XXH64 gives the specification's value of the empty input and of abc")
    func xxh64() {
        #expect(Hexadecimal.text(of: XXH64Hasher.hash(of: [])) == "ef46db3751d8e999")
        #expect(Hexadecimal.text(of: XXH64Hasher.hash(of: Array("abc".utf8))) == "44bc2cf5ad770999")
    }

    @Test("Philox4x32-10 gives the known answers of the Random123 distribution")
    func philox() {
        let zero = CounterRandom.philox(counter: (0, 0, 0, 0), key: (0, 0))
        #expect(zero == (0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
        let ones = CounterRandom.philox(
            counter: (0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF), key: (0xFFFF_FFFF, 0xFFFF_FFFF))
        #expect(ones == (0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
    }

    @Test("Streams of another key, purpose or index differ, equal ones are equal")
    func streams() {
        func first(_ seed: UInt64, _ purpose: RandomPurpose, _ key: String, _ index: Int) -> [UInt32] {
            var random = CounterRandom(seed: seed, purpose: purpose, key: key, index: index)
            return (0..<6).map { _ in random.next() }
        }
        let reference = first(1, .caption, "a", 0)
        #expect(reference == first(1, .caption, "a", 0))
        #expect(reference != first(2, .caption, "a", 0))
        #expect(reference != first(1, .augmentation, "a", 0))
        #expect(reference != first(1, .caption, "b", 0))
        #expect(reference != first(1, .caption, "a", 1))
    }

    @Test("Integers below a bound take every value about equally often")
    func integers() {
        var random = CounterRandom(seed: 7, purpose: .caption, key: "k", index: 0)
        var counts = [Int](repeating: 0, count: 14)
        for _ in 0..<14_000 { counts[random.integer(below: 14)] += 1 }
        #expect(counts.allSatisfy { (850...1150).contains($0) })
    }
}
