import ArgumentParser

/// Benchmarks of the engine and of the queue, for development; never shipped.
@main struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures jobctl's parts on this machine.",
    subcommands: [
      TrainBench.self, KernelBench.self, CheckpointBench.self, DataBench.self, QueueBench.self,
      ReportBench.self, Soak.self,
    ])
}
