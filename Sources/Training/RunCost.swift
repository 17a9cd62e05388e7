import Datasets
import Experiments
import Foundation
import NeuralNet

/// What a run costs in memory and on disk: predicted without training it, and measured.

package struct RunCost: Sendable, Equatable {
  /// Highest resident memory of a worker that trains the run alone.
  package var memoryBytes: Int
  /// The checkpoint at the end of a stage.
  /// Nil of a trainer's, which jobctl does not know.
  package var checkpointBytes: Int?
}

extension PlannedSetting {
  package func cost(threads: Int) -> RunCost {
    switch setting.spec.training {
    case .native(let spec):
      guard let facts else { preconditionFailure("a setting of the engine has data") }
      return spec.cost(facts, threads: threads)
    case .external(let spec):
      return RunCost(memoryBytes: spec.resources.memoryBytes, checkpointBytes: nil)
    }
  }
}

extension TrainingSpec {
  /// A worker that has not claimed anything: the program, its libraries and connections.
  private static let idleWorker = 38 << 20

  /// Weights in single precision hardly compress: by 7 to 8 % with zstd, whatever its level
  /// (docs/PERFORMANCE.md).
  private static let compressed = 0.925

  package func cost(_ facts: DatasetFacts, threads: Int) -> RunCost {
    let input = Extent(height: facts.height, width: facts.width, channels: facts.channels)
    let network = Network(self.network, input: input, classes: facts.classes)
    let slots = Optimizer.slotCount(optimizer)
    // Parameters, two gradient sums and the optimizer's slots; the executor has its own gradient.
    let training = Executor.bytes(
      network, capacity: ghost, lanes: threads, stateArrays: 3 + slots)
    let state = 4 * (network.parameterCount * (1 + slots) + network.statisticCount)
    let data = dataset.memory(facts)
    // A checkpoint is a copy of the state, made while training goes on.
    let feeding = dataset.feeding(facts, ghost: ghost, threads: threads)
    let most = max(data.loading, data.loaded + feeding + training + state)
    return RunCost(
      memoryBytes: TrainingSpec.idleWorker + most,
      checkpointBytes: Int(TrainingSpec.compressed * Double(state)))
  }
}

/// Highest resident memory of this process so far, or since `forgetPeakMemory`, in bytes; 0 where the
/// system does not say. Not getrusage's, which a process inherits from whoever started it.
package func peakMemory() -> Int {
  let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
  let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
  return (kilobytes ?? 0) * 1024
}

/// Resident memory of this process now, in bytes; 0 where the system does not say.
package func residentMemory() -> Int {
  let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
  let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  return pages * sysconf(Int32(_SC_PAGESIZE))
}

/// Has the peak start anew at what is resident now; where the system does not allow it, it goes on.
package func forgetPeakMemory() {
  try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
}
