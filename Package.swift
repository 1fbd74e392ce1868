// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
]

// A C target's code is portable C with kernels chosen at run time, so no flag here asks for a
// particular processor.
let kernelSettings: [CSetting] = [.unsafeFlags(["-O2"], .when(configuration: .debug))]

let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "bolster",
    products: [.executable(name: "bolster", targets: ["bolster"])],
    dependencies: [
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // MARK: System libraries, each imported by exactly one Swift target
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CZMQ", providers: [.apt(["libzmq3-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),

        // MARK: Pure: values and bytes in, values and bytes out
        .target(name: "BolsterDeterminism", dependencies: ["CCrypto", "CXXHash"], swiftSettings: settings),
        .target(name: "BolsterCompression", dependencies: ["CZlib", "CZstd"], swiftSettings: settings),
        .target(name: "BolsterDataset", dependencies: ["BolsterDeterminism", yams], swiftSettings: settings),
        .target(
            name: "BolsterLeasing", dependencies: ["BolsterDeterminism", protobuf],
            exclude: ["Wire/lease.proto"], swiftSettings: settings),
        .target(name: "CRecordKernels", cSettings: kernelSettings),
        .target(
            name: "BolsterRecords",
            dependencies: ["BolsterDeterminism", "BolsterCompression", "CLZ4", "CRecordKernels"],
            swiftSettings: settings),
        .target(
            name: "CPixelKernels", cSettings: kernelSettings,
            linkerSettings: [
                .linkedLibrary("jpeg"), .linkedLibrary("z"), .linkedLibrary("deflate"),
                .linkedLibrary("webp"), .linkedLibrary("webpdemux"),
            ]),
        .target(
            name: "BolsterAugmentation",
            dependencies: ["BolsterDataset", "BolsterDeterminism", "CPixelKernels"],
            swiftSettings: settings),

        // MARK: IO: one adapter for one part of the outside world
        .target(name: "BolsterMessaging", dependencies: ["CZMQ"], swiftSettings: settings),
        .target(name: "BolsterHTTP", dependencies: ["CCurl"], swiftSettings: settings),
        .target(
            name: "BolsterStorage",
            dependencies: ["BolsterDataset", "BolsterDeterminism", "BolsterCompression", "BolsterHTTP"],
            swiftSettings: settings),
        .target(name: "COnnxRuntime"),
        .target(name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
        .target(
            name: "BolsterInference",
            dependencies: ["BolsterDeterminism", "BolsterHTTP", "COnnxRuntime", "CSentencePiece"],
            swiftSettings: settings),

        // MARK: Roles
        .target(
            name: "BolsterCoordinator",
            dependencies: [
                "BolsterDataset", "BolsterDeterminism", "BolsterLeasing", "BolsterRecords",
                "BolsterMessaging", "BolsterStorage", grdb, log,
            ],
            swiftSettings: settings),
        .target(
            name: "BolsterWorker",
            dependencies: [
                "BolsterDataset", "BolsterDeterminism", "BolsterLeasing", "BolsterRecords",
                "BolsterAugmentation", "BolsterMessaging", "BolsterInference", "BolsterStorage", log,
            ], swiftSettings: settings),
        .target(
            name: "BolsterMerger",
            dependencies: ["BolsterDataset", "BolsterDeterminism", "BolsterRecords", "BolsterStorage", log],
            swiftSettings: settings),

        .target(
            name: "BolsterStatusPage", dependencies: ["BolsterDeterminism", "BolsterLeasing", log],
            resources: [.embedInCode("Page")], swiftSettings: settings),
        .target(
            name: "BolsterReport",
            dependencies: [
                "BolsterDataset", "BolsterDeterminism", "BolsterRecords", "BolsterAugmentation",
                "BolsterStorage",
            ],
            resources: [.embedInCode("Page")], swiftSettings: settings),

        // MARK: The lab: what tests, simulator and benchmarks share
        .target(name: "BolsterOracles", swiftSettings: settings),
        .target(
            name: "BolsterTestKit",
            dependencies: [
                "BolsterDeterminism", "BolsterLeasing", "BolsterMessaging", "BolsterCoordinator",
                "BolsterOracles", log,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "bolster-simulator", dependencies: ["BolsterTestKit", arguments], path: "tools/Simulator",
            swiftSettings: settings),
        .executableTarget(
            name: "bolster-benchmarks",
            dependencies: [
                "BolsterDataset", "BolsterDeterminism", "BolsterLeasing", "BolsterMessaging",
                "BolsterStorage", "BolsterCoordinator", arguments, log,
            ],
            path: "tools/Benchmarks", swiftSettings: settings),

        // MARK: The command
        .executableTarget(
            name: "bolster",
            dependencies: [
                "BolsterDataset", "BolsterDeterminism", "BolsterLeasing", "BolsterRecords",
                "BolsterAugmentation", "BolsterMessaging", "BolsterInference", "BolsterStorage",
                "BolsterHTTP", "BolsterCoordinator", "BolsterWorker", "BolsterMerger", "BolsterStatusPage",
                "BolsterReport", arguments, log,
            ],
            swiftSettings: settings),

        // MARK: Tests
        .testTarget(
            name: "BolsterDeterminismTests", dependencies: ["BolsterDeterminism"], swiftSettings: settings),
        .testTarget(
            name: "BolsterCompressionTests", dependencies: ["BolsterCompression", "BolsterOracles", "CZstd"],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterDatasetTests",
            dependencies: ["BolsterDataset", "BolsterDeterminism", "BolsterOracles"],
            exclude: ["Finds"], swiftSettings: settings),
        .testTarget(
            name: "BolsterLeasingTests", dependencies: ["BolsterDeterminism", "BolsterLeasing"],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterRecordsTests",
            dependencies: ["BolsterCompression", "BolsterDeterminism", "BolsterRecords", "BolsterOracles"],
            exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "BolsterAugmentationTests",
            dependencies: [
                "BolsterAugmentation", "BolsterDataset", "BolsterDeterminism", "BolsterOracles",
                "CPixelKernels",
            ],
            exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "BolsterMessagingTests", dependencies: ["BolsterMessaging"], swiftSettings: settings),
        .testTarget(
            name: "BolsterInferenceTests",
            dependencies: ["BolsterDeterminism", "BolsterHTTP", "BolsterInference", "BolsterOracles"],
            exclude: ["generate_models.py"], swiftSettings: settings),
        .testTarget(
            name: "BolsterHTTPTests", dependencies: ["BolsterHTTP", "BolsterOracles"], exclude: ["server.py"],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterStorageTests",
            dependencies: [
                "BolsterCompression", "BolsterDataset", "BolsterDeterminism", "BolsterHTTP",
                "BolsterStorage", "BolsterOracles", "CZstd",
            ],
            exclude: ["Golden", "generate_signatures.py", "metadata_server.py", "odd_server.py"],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterCoordinatorTests",
            dependencies: [
                "BolsterCoordinator", "BolsterDataset", "BolsterDeterminism", "BolsterLeasing",
                "BolsterMessaging", "BolsterRecords", "BolsterStorage", "BolsterOracles",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterWorkerTests",
            dependencies: [
                "BolsterDataset", "BolsterDeterminism", "BolsterInference", "BolsterLeasing",
                "BolsterMessaging", "BolsterRecords", "BolsterStorage", "BolsterWorker",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterMergerTests",
            dependencies: [
                "BolsterCompression", "BolsterDataset", "BolsterDeterminism", "BolsterMerger",
                "BolsterRecords", "BolsterStorage", "BolsterOracles",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterStatusPageTests",
            dependencies: ["BolsterLeasing", "BolsterStatusPage", "BolsterTestKit", "BolsterOracles"],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterReportTests",
            dependencies: [
                "BolsterAugmentation", "BolsterDataset", "BolsterRecords", "BolsterReport", "BolsterTestKit",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "BolsterSimulationTests",
            dependencies: ["BolsterTestKit", "BolsterLeasing", "BolsterCoordinator"],
            swiftSettings: settings),
        .testTarget(name: "BolsterTidinessTests", dependencies: ["BolsterDataset"], swiftSettings: settings),
        .testTarget(name: "BolsterProcessTests", dependencies: ["BolsterOracles"], swiftSettings: settings),
    ]
)

// MARK: libFuzzer's program, for tools/fuzz/messages.sh alone: only a build with its runtime links it
if Context.environment["BOLSTER_FUZZ"] != nil {
    package.targets += [
        .systemLibrary(name: "CFuzzer", path: "tools/fuzz/CFuzzer"),
        .executableTarget(
            name: "bolster-fuzz", dependencies: ["BolsterTestKit", "CFuzzer"], path: "tools/fuzz/Fuzz",
            swiftSettings: settings),
    ]
}
