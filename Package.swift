// swift-tools-version: 6.2
import PackageDescription

/// Warnings are errors in every Swift target of our own.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let csv = Target.Dependency.product(name: "SwiftCSV", package: "SwiftCSV")
let lifecycle = Target.Dependency.product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let http = Target.Dependency.product(name: "FlyingFox", package: "FlyingFox")
let sockets = Target.Dependency.product(name: "FlyingSocks", package: "FlyingFox")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

/// A Swift target with its tests beside it.
func module(_ name: String, _ dependencies: [Target.Dependency], plugins: [Target.PluginUsage] = [])
  -> Target
{
  .target(name: name, dependencies: dependencies, swiftSettings: strict, plugins: plugins)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
  name: "jobctl",
  products: [
    .executable(name: "jobctl", targets: ["jobctl"]),
    .executable(name: "bench", targets: ["bench"]),
    .executable(name: "chaos", targets: ["chaos"]),
    .executable(name: "fuzz", targets: ["fuzz"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
    .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    // C: vectorized kernels, and the libraries of the system.
    .target(name: "CKernels"),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

    // The shared vocabulary.
    module("Experiments", [crypto]),

    // The numeric column: floats, never rows.
    module("Tensors", ["CKernels", "COpenBLAS"]),
    module("NeuralNet", ["Experiments", "Tensors"]),
    module("Checkpoints", ["CZstd", "Experiments"]),
    module("Datasets", ["CZlib", "Experiments", "Tensors", crypto, csv]),
    module(
      "Training",
      ["Checkpoints", "Datasets", "Experiments", "NeuralNet", "Statistics", "Tensors", crypto]),

    // The queue column: rows, never floats.
    module("Postgres", ["CPostgres", logging]),
    module(
      "JobQueue", ["Experiments", "Postgres", logging, subprocess, system],
      plugins: [.plugin(name: "EmbedSQLPlugin")]),
    .executableTarget(name: "EmbedSQL", swiftSettings: strict),
    .plugin(
      name: "EmbedSQLPlugin", capability: .buildTool(), dependencies: ["EmbedSQL"],
      path: "Sources/EmbedSQLPlugin"),

    // Numbers about numbers: pure.
    module("Statistics", []),
    module("Reports", ["Experiments", "Postgres", "Statistics", subprocess, system]),

    // Where the columns meet.
    module(
      "Worker",
      [
        "Checkpoints", "Datasets", "Experiments", "JobQueue", "Postgres", "Tensors", "Training",
        lifecycle, logging,
      ]),

    // The door.
    .executableTarget(
      name: "jobctl",
      dependencies: [
        "Checkpoints", "Datasets", "Experiments", "JobQueue", "Postgres", "Reports", "Training",
        "Worker", argumentParser, http, lifecycle, logging, signals, sockets,
      ], swiftSettings: strict),
    .executableTarget(
      name: "bench",
      dependencies: [
        "Checkpoints", "Experiments", "JobQueue", "NeuralNet", "Postgres", "Reports", "Tensors",
        "Training", argumentParser, logging,
      ],
      swiftSettings: strict),

    .executableTarget(
      name: "chaos",
      dependencies: ["Experiments", "JobQueue", "Postgres", argumentParser, logging, signals],
      swiftSettings: strict),

    .executableTarget(
      name: "fuzz",
      dependencies: ["Checkpoints", "Datasets", "Experiments", "Training", argumentParser],
      swiftSettings: strict),

    .target(
      name: "TestSupport",
      dependencies: [
        "Experiments", "JobQueue", "Postgres", "Tensors", logging, subprocess, system,
      ],
      path: "Tests/TestSupport", swiftSettings: strict),
    tests("Experiments", ["Experiments", "TestSupport"]),
    tests("Tensors", ["CKernels", "Experiments", "Tensors", "TestSupport"]),
    tests(
      "Training",
      ["Checkpoints", "Datasets", "Experiments", "NeuralNet", "Tensors", "TestSupport", "Training"]),
    tests("JobQueue", ["Experiments", "JobQueue", "Postgres", "TestSupport", subprocess, system]),
    tests(
      "Worker",
      [
        "Checkpoints", "Datasets", "Experiments", "JobQueue", "Postgres", "TestSupport", "Worker",
      ]),
    tests(
      "jobctl",
      ["jobctl", "Experiments", "JobQueue", "Postgres", "TestSupport", subprocess, system]),
    tests("Checkpoints", ["Checkpoints", "TestSupport", subprocess, system]),
    tests("Datasets", ["Datasets", "Experiments", "Tensors", "TestSupport"]),
    tests(
      "Reports",
      ["Experiments", "JobQueue", "Postgres", "Reports", "Statistics", "TestSupport"]),
    tests("Statistics", ["Statistics", "TestSupport"]),
    tests("Tidy", ["TestSupport"]),
    tests("fuzz", ["fuzz", "TestSupport", subprocess, system]),
    tests("NeuralNet", ["Experiments", "NeuralNet", "Tensors", "TestSupport"]),
  ]
)
