/// A date as HTTP writes it (RFC 9110, 5.6.7): its one form of today and the two obsolete ones, which a
/// recipient must take as well.
///
///     Sun, 06 Nov 1994 08:49:37 GMT
///     Sunday, 06-Nov-94 08:49:37 GMT
///     Sun Nov  6 08:49:37 1994
enum HTTPDate {
    private static let months = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]

    /// Seconds since 1970; nil for what is no date. The name of the day is not looked at.
    static func seconds(of text: String) -> Int64? {
        let words = text.lowercased().split { !$0.isASCII || !($0.isLetter || $0.isNumber || $0 == ":") }
        // The name of the day comes first in each form; the time of the day is the word with colons.
        guard words.count >= 5, let clock = words.firstIndex(where: { $0.contains(":") }) else { return nil }
        let isLongAgo = clock == 3 && words[1].first?.isLetter == true
        guard let month = months.firstIndex(of: String(words[isLongAgo ? 1 : 2])),
            let day = Int64(words[isLongAgo ? 2 : 1]), (1...31).contains(day),
            isLongAgo || clock == 4, words.count > (isLongAgo ? 4 : 3),
            let year = year(words[isLongAgo ? 4 : 3])
        else { return nil }
        let time = words[clock].split(separator: ":").map { Int64($0) }
        guard time.count == 3, let hour = time[0], let minute = time[1], let second = time[2],
            (0..<24).contains(hour), (0..<60).contains(minute), (0...60).contains(second)
        else { return nil }
        return days(year, Int64(month) + 1, day) * 86_400 + hour * 3_600 + minute * 60 + second
    }

    /// Two digits are of the hundred years around 2020.
    private static func year(_ text: Substring) -> Int64? {
        guard let year = Int64(text), (0..<10_000).contains(year) else { return nil }
        if text.count == 2 { return year + (year < 70 ? 2000 : 1900) }
        return text.count == 4 ? year : nil
    }

    /// Days since 1970 in the Gregorian calendar, years counted from March so that a leap day is their last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month > 2 ? year : year - 1
        let ofYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let leapDays = shifted / 4 - shifted / 100 + shifted / 400
        return shifted * 365 + leapDays + ofYear - 719_468
    }
}
