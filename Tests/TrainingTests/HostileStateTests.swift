import Checkpoints
import Foundation
import Testing
import Training
import Values

/// Checkpoints whose numbers are none: an error, and never a trap.
@Suite struct HostileStateTests {
  private func checkpoint(_ run: SmallRun) throws -> Checkpoint {
    var polls = 0
    let trainer = try StageTrainer(
      run.stages[0], dataset: run.dataset, from: nil, threads: 1,
      hooks: .init(directive: {
        polls += 1
        return polls > 3 ? .drain : .proceed(threads: 1)
      }))
    guard case .drained(let end) = trainer.run() else { throw Unexpected() }
    return end.content.sealed().checkpoint
  }

  private struct Unexpected: Error {}

  private func isRefused(_ checkpoint: Checkpoint, _ run: SmallRun) -> Bool {
    do throws(TrainingState.Mismatch) {
      _ = try StageTrainer(
        run.stages[0], dataset: run.dataset, from: checkpoint, threads: 1, hooks: .init())
      return false
    } catch { return true }
  }

  @Test func sumsThatAreNoNumbersAreRefused() throws {
    let run = try SmallRun(network: "mlp")
    let sound = try checkpoint(run)
    #expect(!isRefused(sound, run))
    func with(_ name: String, _ values: [Double]) -> Checkpoint {
      var changed = sound
      let place = changed.arrays.firstIndex { $0.name == name } ?? 0
      changed.arrays[place] = .init(name, doubles: values)
      return changed
    }
    for sums in [
      [.nan, 1, 2], [1, .nan, 2], [1, 1, .infinity], [1, 1e300, 1e300], [1, 3, 2], [1, -1, 2],
      [1, 0.5, 2], [], [1, 2],
    ] as [[Double]] {
      #expect(isRefused(with("measurement.sums", sums), run), "\(sums)")
    }
    for sums in [[.nan, 0, 0, 0, 0, 0], [0, 0, .nan, 0, 0, 0], [0, 0, 1e300, 0, 0, 0], [0, 0]]
      as [[Double]]
    {
      #expect(isRefused(with("measurement.gradient_noise", sums), run), "\(sums)")
    }
  }

  @Test(arguments: [
    ("samples", "-1"), ("samples", "9223372036854775807"), ("samples", "33"), ("samples", "x"),
    ("updates", "-9223372036854775808"), ("updates", "7"), ("ghosts", "-1"), ("ghosts", "99"),
    ("ghosts", "9223372036854775807"),
  ])
  func aPlaceThatTheStageDoesNotHaveIsRefused(key: String, value: String) throws {
    let run = try SmallRun(network: "mlp")
    var changed = try checkpoint(run)
    changed.metadata[key] = value
    #expect(isRefused(changed, run))
  }

  @Test func secondsThatAreNoNumberAreForgotten() throws {
    let run = try SmallRun(network: "mlp")
    var changed = try checkpoint(run)
    (changed.metadata["seconds"], changed.metadata["core_seconds"]) = ("nan", "-1e400")
    #expect(!isRefused(changed, run))
  }
}
