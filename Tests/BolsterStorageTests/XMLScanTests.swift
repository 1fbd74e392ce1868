import Testing

@testable import BolsterStorage

@Suite("S3's XML")
struct XMLScanTests {
    private static let listing = """
        <?xml version="1.0"?><ListBucketResult xmlns="http://s3"><Name>b</Name><Prefix/>
        <Contents><Key>a&amp;b &#233;&#x1F600;</Key><Size>12</Size><KeyCount>7</KeyCount></Contents>
        <Contents ><Key>second</Key><Size>0</Size></Contents><IsTruncated>false</IsTruncated>
        </ListBucketResult>
        """

    @Test("Elements are found by their whole names, texts without their escapes")
    func elements() {
        let document = XMLScan(Array(Self.listing.utf8))
        let contents = document.elements("Contents")
        #expect(contents.map { $0.text(of: "Key") } == ["a&b é😀", "second"])
        #expect(contents.map { $0.text(of: "Size") } == ["12", "0"])
        #expect(document.text(of: "Prefix") == "" && document.text(of: "IsTruncated") == "false")
        #expect(document.text(of: "Truncated") == nil && document.text(of: "Cont") == nil)
        #expect(document.elements("Error").isEmpty)
    }

    @Test("Whatever the bytes, scanning ends")
    func mutations() {
        let bytes = Array(Self.listing.utf8)
        for length in 0..<bytes.count { scan(Array(bytes[..<length])) }
        var state: UInt64 = 1
        for _ in 0..<500 {
            var changed = bytes
            for _ in 0..<4 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                changed[Int(state >> 33) % changed.count] =
                    Array("<>/& ;#xK\u{0}".utf8)[Int(state >> 60) % 10]
            }
            scan(changed)
        }
    }

    private func scan(_ bytes: [UInt8]) {
        let document = XMLScan(bytes)
        let contents = document.elements("Contents")
        #expect(contents.count <= 2 + bytes.count / 8)
        for element in contents { #expect((element.text(of: "Key")?.utf8.count ?? 0) <= bytes.count * 3) }
    }
}
