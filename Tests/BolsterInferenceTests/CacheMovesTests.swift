import Testing

@testable import BolsterInference

@Suite struct CacheMovesTests {
    /// Two layers of three heads; five image tokens in one cross layer.
    private func moves(capacity: Int) -> CacheMoves {
        CacheMoves(crossRows: 1 * 3 * 5, tokenRows: 2 * 3, capacity: capacity)
    }

    @Test("A token's rows are spread over its slot's heads at the token's position")
    func append() {
        var moves = moves(capacity: 10)
        moves.append(slot: 2, position: 4)
        #expect(moves.newRows == [RowRun(from: 12, to: 2 * 60 + 4, toEvery: 10, count: 6)])
    }

    @Test("A slot that changes hands twice gets the last image alone")
    func twice() {
        var moves = moves(capacity: 10)
        moves.startSlot(1, from: .kept, row: 0)
        moves.startSlot(1, from: .encoded, row: 3)
        #expect(moves.crossings.count == 1)
        #expect(moves.crossings[1]?.source == .encoded)
        #expect(moves.crossings[1]?.run == RowRun(from: 45, to: 15, count: 15))
    }

    @Test("A start's rows come back from where they were kept")
    func starts() {
        var moves = moves(capacity: 10)
        moves.keepStart(of: 6, slot: 1)
        moves.useStart(of: 6, slot: 3)
        #expect(moves.starts == [RowRun(from: 6, to: 12, count: 6)])
        #expect(moves.firstRows[3] == RowRun(from: 12, to: 180, toEvery: 10, count: 6))
        moves.removeAll()
        #expect(moves.starts.isEmpty && moves.firstRows.isEmpty)
    }

    @Test("A moved slot takes its image and its whole caches along")
    func moved() {
        let (cross, caches) = moves(capacity: 10).moved(4, to: 1)
        #expect(cross == RowRun(from: 60, to: 15, count: 15))
        #expect(caches == RowRun(from: 240, to: 60, count: 60))
    }
}
