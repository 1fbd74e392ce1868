import BolsterLeasing
import Foundation
import GRDB

extension LedgerJournal {
    /// Made when a ledger is opened for writing, also in one of an earlier release, which passes it over.
    ///
    ///     device_time   by stage's name ('' for the time that workers held devices) and type of device
    static let deviceTable = """
        CREATE TABLE IF NOT EXISTS device_time (
            stage TEXT NOT NULL, device TEXT NOT NULL, samples INTEGER NOT NULL, ms INTEGER NOT NULL,
            PRIMARY KEY (stage, device)) WITHOUT ROWID
        """

    /// Adds to what is there.
    func add(_ uses: [DeviceUse], _ db: Database) throws {
        for use in uses {
            try db.cachedStatement(
                sql: """
                    INSERT INTO device_time (stage, device, samples, ms) VALUES (?, ?, ?, ?)
                    ON CONFLICT (stage, device) DO UPDATE SET
                        samples = samples + excluded.samples, ms = ms + excluded.ms
                    """
            ).execute(arguments: [use.stage, use.device, use.samples, Int64(use.time / .milliseconds(1))])
        }
    }

    /// All that was measured so far.
    func deviceUses() throws(CoordinatorError) -> [DeviceUse] {
        do {
            return try queue.read { try Self.deviceUses($0) }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    /// Nothing where the ledger is of an earlier release.
    static func deviceUses(_ db: Database) throws -> [DeviceUse] {
        guard try db.tableExists("device_time") else { return [] }
        return try Row.fetchAll(db, sql: "SELECT stage, device, samples, ms FROM device_time ORDER BY 1, 2")
            .map {
                DeviceUse(stage: $0[0], device: $0[1], samples: $0[2], time: .milliseconds($0[3] as Int64))
            }
    }
}
