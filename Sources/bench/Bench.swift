import ArgumentParser

/// Benchmarks of the engine, for development; never shipped.
@main struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures jobctl's parts on this machine.",
    subcommands: [TrainBench.self, KernelBench.self, CheckpointBench.self])
}
