import Testing

@testable import BolsterInference

@Suite struct RetryPolicyTests {
    @Test("Pauses double, with jitter between half and the whole, and are bounded")
    func pauses() {
        for (random, part) in [(0.0, 0.5), (1.0, 1.0)] {
            var policy = RetryPolicy(attempts: 20, outage: .seconds(1))
            var pauses: [Duration] = []
            for _ in 0..<9 {
                let action = policy.after(.broken, now: .zero, random: random)
                guard case .retry(let pause, forAll: false) = action else { break }
                pauses.append(pause)
            }
            let whole: [Duration] = [0.5, 1, 2, 4, 8, 16, 30, 30, 30].map { .seconds($0) }
            #expect(pauses == whole.map { $0 * part })
        }
    }

    @Test("A server that answers wrongly is given up after the stated tries, however long they take")
    func attempts() {
        var policy = RetryPolicy(attempts: 3, outage: .zero)
        #expect(
            policy.after(.broken, now: .seconds(5), random: 1) == .retry(.milliseconds(500), forAll: false))
        #expect(policy.after(.broken, now: .seconds(500), random: 1) == .retry(.seconds(1), forAll: false))
        #expect(
            policy.after(.broken, now: .seconds(900), random: 1)
                == .giveUp(tries: 3, after: .seconds(895)))
    }

    @Test("A server that is not there is waited for as long as stated, however many tries that is")
    func outage() {
        var policy = RetryPolicy(attempts: 1, outage: .seconds(100))
        var now = Duration.seconds(1000)
        var tries = 0
        while case .retry(let pause, forAll: false) = policy.after(.unreachable, now: now, random: 1) {
            now += pause
            tries += 1
        }
        #expect(tries == 8)
        #expect(now > .seconds(1070) && now <= .seconds(1100))
    }

    @Test("A server that asks for patience gets it from every request, a little more than it asked")
    func patience() {
        var policy = RetryPolicy(attempts: 1, outage: .seconds(100))
        let asked = RetryPolicy.Trouble.busy(retryAfter: .seconds(40))
        #expect(policy.after(asked, now: .zero, random: 0) == .retry(.seconds(40), forAll: true))
        #expect(
            policy.after(asked, now: .seconds(41), random: 1) == .retry(.milliseconds(40_500), forAll: true))
        // Never beyond the patience there is, and not given up before its end either.
        #expect(policy.after(asked, now: .seconds(82), random: 0) == .retry(.seconds(18), forAll: true))
        #expect(
            policy.after(asked, now: .seconds(100), random: 0) == .giveUp(tries: 4, after: .seconds(100)))
    }

    @Test("A server that asks for no patience at all gets a little of it all the same")
    func noPatience() {
        var policy = RetryPolicy(attempts: 1, outage: .seconds(100))
        #expect(
            policy.after(.busy(retryAfter: .zero), now: .zero, random: 0)
                == .retry(.milliseconds(500), forAll: true))
    }

    @Test(
        "Retry-After is a number of seconds or a date; anything else is passed over",
        arguments: [
            ("3", 3.0), (" 0 ", 0), ("1.5", 1.5), ("999999", 86_400), ("-1", nil), ("nan", nil), ("", nil),
            ("inf", nil), ("soon", nil), ("Wed, 21 Oct 2015 07:28:00 GMT", 30),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", 30), ("Wed Oct 21 07:28:00 2015", 30),
            ("Wed, 21 Oct 2015 07:27:29 GMT", 0), ("Thu, 22 Oct 2025 07:28:00 GMT", 86_400),
            ("Wed, 21 Oct 2015 07:28", nil), ("Wed, 21 Foo 2015 07:28:00 GMT", nil),
            ("Wed, 99 Oct 2015 07:28:00 GMT", nil), ("Wed, 21 Oct 99999 07:28:00 GMT", nil),
            (": : : : :", nil), ("a b c d 1:2:3", nil), ("Wed Oct 21 07:28:00", nil),
        ])
    func header(text: String, seconds: Double?) {
        // 2015-10-21T07:27:30Z
        let found = RetryPolicy.wait(fromHeader: text, now: 1_445_412_450)
        #expect(found == seconds.map { .milliseconds(Int64($0 * 1000)) })
    }

    @Test(
        "A date's seconds are those of the calendar",
        arguments: [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:60 GMT", 951_868_800), ("Sun, 31 Dec 2023 00:00:01 GMT", 1_703_980_801),
            ("Sat, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ])
    func date(text: String, seconds: Int64) {
        #expect(HTTPDate.seconds(of: text) == seconds)
    }
}
