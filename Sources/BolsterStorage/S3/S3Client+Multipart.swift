import BolsterHTTP
import Foundation

/// Objects that are sent in parts. What is begun is either completed or aborted; what a killed process left
/// is found and aborted later, for its parts cost money and no listing shows them.
extension S3Client {
    func beginUpload(_ location: S3Location) throws(StorageError) -> String {
        let request = S3Request(
            method: "POST", location: location, query: [("uploads", "")], doing: "begin an upload")
        guard let id = XMLScan(try send(request).body).text(of: "UploadId") else {
            throw malformed(location, "the upload's beginning")
        }
        return id
    }

    /// The part's ETag; numbers begin at 1.
    func uploadPart(
        _ location: S3Location, upload: String, number: Int, _ body: [UInt8]
    ) throws(StorageError) -> String {
        let answer = try send(
            S3Request(
                method: "PUT", location: location,
                query: [("partNumber", "\(number)"), ("uploadId", upload)], body: body,
                doing: "write part \(number)"))
        guard let etag = answer.header("etag") else { throw malformed(location, "a part's answer") }
        return etag
    }

    /// False where the object was to be new and the key is taken.
    func completeUpload(
        _ location: S3Location, upload: String, etags: [String], exclusively: Bool = false
    ) throws(StorageError) -> Bool {
        let parts = etags.enumerated().map { index, etag in
            "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(etag)</ETag></Part>"
        }
        let body = "<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>"
        var request = S3Request(
            method: "POST", location: location, query: [("uploadId", upload)], body: Array(body.utf8),
            doing: "complete the upload")
        // After a lost answer the upload is no longer known.
        request.understood = [404]
        if exclusively {
            request.headers = [("if-none-match", "*")]
            request.understood.insert(412)
        }
        for attempt in 0..<retry.attempts {
            if attempt > 0 { retry.pause(after: attempt - 1) }
            let answer = try send(request)
            if answer.status == 412 { return false }
            let document = XMLScan(answer.body)
            let expected = "-\(etags.count)"
            if answer.status == 404 {
                guard try facts(location)?.etag.hasSuffix(expected) == true else {
                    throw refused(request, answer)
                }
                return true
            }
            // S3 may say 200 before it is done, and tell a failure in the body.
            guard document.elements("Error").isEmpty else { continue }
            return true
        }
        throw StorageError(
            .unreachable, path: location.url, "cannot complete the upload: the server fails, again and again")
    }

    func abortUpload(_ location: S3Location, upload: String) throws(StorageError) {
        _ = try send(
            S3Request(
                method: "DELETE", location: location, query: [("uploadId", upload)],
                doing: "abort an upload", understood: [404]))
    }

    /// Uploads below a prefix that were begun before `date` and never ended.
    func unfinishedUploads(
        _ prefix: S3Location, before date: Date
    ) throws(StorageError) -> [(location: S3Location, upload: String)] {
        var found: [(location: S3Location, upload: String)] = []
        var markers: [(name: String, value: String)] = []
        repeat {
            let request = S3Request(
                method: "GET", location: S3Location(bucket: prefix.bucket, key: ""),
                query: [("uploads", ""), ("prefix", prefix.key)] + markers, doing: "list uploads")
            let page = XMLScan(try send(request).body)
            for element in page.elements("Upload") {
                guard let key = element.text(of: "Key"), let id = element.text(of: "UploadId"),
                    let begun = element.text(of: "Initiated").flatMap(AWSCredentials.date)
                else { throw malformed(prefix, "the list of uploads") }
                // Some servers take the prefix for a suggestion.
                guard begun < date, key.utf8.starts(with: prefix.key.utf8) else { continue }
                found.append((S3Location(bucket: prefix.bucket, key: key), id))
            }
            let before = markers.map(\.value)
            markers = []
            if page.text(of: "IsTruncated") == "true", let key = page.text(of: "NextKeyMarker"),
                let id = page.text(of: "NextUploadIdMarker"), before != [key, id]
            {
                markers = [("key-marker", key), ("upload-id-marker", id)]
            }
        } while !markers.isEmpty
        return found
    }
}
