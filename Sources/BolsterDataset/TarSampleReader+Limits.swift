extension TarSampleReader {
    /// What a shard may ask of the reader's memory.
    package struct Limits: Sendable, Equatable {
        package var memberBytesMax: Int64
        package var sampleBytesMax: Int64
        package var membersPerSampleMax: Int
        /// Bytes of a name, and of a pax header.
        package var headerBytesMax: Int64
        /// Keys remembered to tell repeated ones; in a longer shard the oldest are forgotten.
        package var keysMax: Int

        package init(
            memberBytesMax: Int64 = 256 << 20, sampleBytesMax: Int64 = 512 << 20,
            membersPerSampleMax: Int = 256,
            headerBytesMax: Int64 = 64 << 10, keysMax: Int = 1 << 20
        ) {
            self.memberBytesMax = memberBytesMax
            self.sampleBytesMax = sampleBytesMax
            self.membersPerSampleMax = membersPerSampleMax
            self.headerBytesMax = headerBytesMax
            self.keysMax = keysMax
        }
    }
}
