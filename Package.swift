// swift-tools-version: 6.2
import PackageDescription

/// Warnings are errors in every Swift target of our own.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

func module(_ name: String, _ dependencies: [Target.Dependency], plugins: [Target.PluginUsage] = [])
  -> Target
{
  .target(name: name, dependencies: dependencies, swiftSettings: strict, plugins: plugins)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: dependencies + ["TestSupport"], swiftSettings: strict)
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
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    // C: vectorized kernels, and the libraries of the system.
    .target(name: "CKernels"),
    .target(name: "CPictures", dependencies: ["CJPEG", "CKernels", "CSpng"]),
    .target(name: "CSupervisor"),
    .target(name: "CTables"),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
    .systemLibrary(
      name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CSpng", pkgConfig: "spng", providers: [.apt(["libspng-dev"])]),
    .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

    // Pure values, below everything.
    module("Values", ["CCrypto"]),

    // Tables, numbers and text as people read them.
    module("Tables", ["Values"]),

    // The shared vocabulary.
    module("Experiments", ["Values"]),

    // The numeric column: floats, never rows.
    module("Tensors", ["CKernels", "COpenBLAS"]),
    module("NeuralNet", ["Experiments", "Tensors", "Values"]),
    module("Checkpoints", ["CZstd", "Values"]),
    module(
      "Datasets", ["CPictures", "CTables", "CZip", "CZlib", "Experiments", "Tensors", "Values"]),
    module(
      "Training",
      [
        "Checkpoints", "Datasets", "Experiments", "NeuralNet", "Statistics", "Tensors", "Values",
      ]),

    // The queue column: rows, never floats.
    module("Postgres", ["CPostgres", "Values", logging]),
    module(
      "JobQueue", ["Experiments", "Host", "Postgres", "Values"],
      plugins: [.plugin(name: "EmbedSQLPlugin")]),
    .executableTarget(name: "EmbedSQL", swiftSettings: strict),
    .plugin(
      name: "EmbedSQLPlugin", capability: .buildTool(), dependencies: ["EmbedSQL"],
      path: "Sources/EmbedSQLPlugin"),

    // Numbers about numbers: pure.
    module("Statistics", []),
    module("Reports", ["Experiments", "Host", "Postgres", "Statistics", "Tables", "Values"]),

    // The process and its machine.
    module("Host", [subprocess, system]),

    // The HTTP server of the health port.
    module("HTTP", ["CMicroHTTPD"]),

    // Programs of users' own.
    module(
      "Trainers",
      ["CSupervisor", "CZip", "Experiments", "Host", "Training", "Values", subprocess, system]),

    // Where the columns meet.
    module(
      "Worker",
      [
        "Checkpoints", "Datasets", "Experiments", "Host", "JobQueue", "Postgres", "Tensors",
        "Trainers", "Training", "Values", logging,
      ]),

    // The door.
    program(
      "jobctl",
      [
        "Checkpoints", "Datasets", "Experiments", "HTTP", "Host", "JobQueue", "Postgres",
        "Reports", "Tables", "Trainers", "Training", "Values", "Worker", argumentParser, logging,
      ]),

    // Never shipped.
    program(
      "bench",
      [
        "Checkpoints", "Datasets", "Experiments", "JobQueue", "NeuralNet", "Postgres", "Reports",
        "Tensors", "Training", "Values", "Worker", argumentParser, logging,
      ]),
    program("chaos", ["Host", "JobQueue", "Postgres", "Values", argumentParser, logging]),
    program(
      "fuzz", ["Checkpoints", "Datasets", "Experiments", "Training", "Values", argumentParser]),

    .target(
      name: "TestSupport",
      dependencies: [
        "Checkpoints", "Datasets", "Experiments", "JobQueue", "Postgres", "Tensors", "Values",
        logging, subprocess,
        system,
      ],
      path: "Tests/TestSupport", swiftSettings: strict),
    tests("Values", ["Values"]),
    tests("Host", ["Host"]),
    tests("Experiments", ["Datasets", "Experiments", "Values"]),
    tests("Tensors", ["CKernels", "Tensors", "Values"]),
    tests(
      "Training",
      ["Checkpoints", "Datasets", "Experiments", "NeuralNet", "Tensors", "Training", "Values"]),
    tests(
      "JobQueue", ["Datasets", "Experiments", "JobQueue", "Postgres", "Values", subprocess, system]),
    tests(
      "Worker",
      [
        "Checkpoints", "Datasets", "Experiments", "JobQueue", "Postgres", "Trainers", "Training",
        "Values", "Worker", "jobctl",
      ]),
    tests("jobctl", ["jobctl", "JobQueue", "Postgres", "Values", subprocess, system]),
    tests("Checkpoints", ["Checkpoints", subprocess, system]),
    .target(
      name: "CPicturesPlain", dependencies: ["CKernels", "CPictures"], path: "Tests/CPicturesPlain"),
    tests(
      "Datasets",
      ["CPicturesPlain", "CTables", "CPictures", "Datasets", "Experiments", "Tensors", "Values"]),
    tests(
      "Reports",
      ["Experiments", "JobQueue", "Postgres", "Reports", "Statistics", "Tables", "Values"]),
    tests("Tables", ["Tables", "Values"]),
    tests("Trainers", ["Datasets", "Experiments", "Trainers", "Training", "Values", "jobctl"]),
    tests("Statistics", ["Statistics"]),
    tests("Tidy", []),
    tests("fuzz", ["fuzz", subprocess, system]),
    tests("NeuralNet", ["Datasets", "Experiments", "NeuralNet", "Tensors", "Values"]),
  ]
)
