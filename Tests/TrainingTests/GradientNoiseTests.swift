import Datasets
import Experiments
import NeuralNet
import Tensors
import TestSupport
import Testing
import Training
import Values

@Suite struct GradientNoiseTests {
  @Test func estimatesAreTheReferences() throws {
    let golden = try Golden("noise_scale")
    #expect(golden.cases.count == 4)
    for node in golden.cases {
      let name = node["name"]?.stringValue ?? ""
      let ghosts = try #require(node["attrs"]?["ghost_batches"]?.intValue)
      let ghost = try #require(node["attrs"]?["ghost_size"]?.intValue)
      let squares = golden.stored("\(name)/ghost_sq_norms")
      var all = GradientNoise()
      for (step, total) in golden.stored("\(name)/total_sq_norm").enumerated() {
        var one = GradientNoise()
        for k in 0..<ghosts {
          one.ghostSquares += squares[step * ghosts + k]
          all.ghostSquares += squares[step * ghosts + k]
        }
        one.close(total: total, ghosts: ghosts, ghost: ghost, isProbe: false)
        all.close(total: total, ghosts: ghosts, ghost: ghost, isProbe: false)
        let (g2, s) = (
          golden.stored("\(name)/g2_estimate")[step], golden.stored("\(name)/s_estimate")[step]
        )
        #expect(abs(one.squareSum - g2) <= 1e-12 * max(1, total))
        #expect(abs(one.varianceSum - s) <= 1e-12 * Double(ghost) * max(1, total))
      }
      let means = try #require(all.means)
      let expected = try #require(node["noise_scale_of_means"]?.doubleValue)
      #expect(abs(means.variance / means.square / expected - 1) < 1e-9)
    }
  }

  /// The first update of five ghost batches, and a probe of five before the first update of one: both
  /// see the same pictures at the same weights.
  @Test func whatIsMeasuredIsWhatTheGhostGradientsSay() throws {
    let whole: [(String, JSON)] = [
      ("epochs", .number("0.3")), ("schedule", "constant"), ("batch.size", 160),
    ]
    let run = try SmallRun(changing: whole)
    let trained = try #require(try run.train().measurements.first?.gradientNoise)
    #expect(trained.estimates == 1 && trained.probes == 0)

    let probe: [(String, JSON)] = [
      ("epochs", .number("0.05")), ("schedule", "constant"),
      ("gradient_probe", ["every": 1, "ghost_batches": 5]),
    ]
    let probed = try #require(
      try SmallRun(changing: probe).train().measurements.first?.gradientNoise)
    #expect(probed.estimates == 1 && probed.probes == 1)
    #expect(probed.square == trained.square && probed.variance == trained.variance)

    let (square, variance) = direct(run, ghosts: 5)
    #expect(abs(trained.square - square) < 1e-5 * variance / 32)
    #expect(abs(trained.variance / variance - 1) < 1e-5)
  }

  /// |G|^2 and tr(Sigma) from gradients at the initial weights, in double precision.
  private func direct(_ run: SmallRun, ghosts: Int) -> (square: Double, variance: Double) {
    let (work, facts) = (run.stages[0], run.dataset.facts)
    let network = Network(
      work.spec.network,
      input: Extent(height: facts.height, width: facts.width, channels: facts.channels),
      classes: facts.classes)
    let team = Team(size: 1)
    defer { team.close() }
    let executor = Executor(network, capacity: 32, team: team)
    let parameters = network.initialParameters(seed: work.seed)
    let statistics = network.initialStatistics()
    var stream = SampleStream(seed: work.seed, count: run.dataset.trainIndices.count)
    var (squares, sum) = (0.0, [Double](repeating: 0, count: network.parameterCount))
    for ghost in 0..<ghosts {
      let labels = run.dataset.writeTraining(
        executor.input, stream.draws(ghost * 32..<(ghost + 1) * 32), seed: work.seed, team: team)
      executor.forward(.training, images: 32, parameters: parameters, statistics: statistics)
      _ = executor.loss(labels: labels, smoothing: 0, training: true)
      executor.backward(images: 32, parameters: parameters, statistics: statistics)
      for i in sum.indices {
        let value = Double(executor.gradients.base[i])
        squares += value * value
        sum[i] += value
      }
    }
    let (b, k) = (32.0, Double(ghosts))
    let total = sum.reduce(0) { $0 + ($1 / k) * ($1 / k) }
    let mean = squares / k
    return ((b * k * total - b * mean) / (b * k - b), (mean - total) / (1 / b - 1 / (b * k)))
  }

  @Test func aProbeChangesNoBit() throws {
    let without = try SmallRun(augment: true).train()
    let run = try SmallRun(
      augment: true, changing: [("gradient_probe", ["every": 3, "ghost_batches": 4])])
    let with = try run.train()
    #expect(with.digest == without.digest)
    func withoutNoise(_ measurements: [Training.Measurement]) -> [Training.Measurement] {
      measurements.map { measurement in
        var plain = measurement
        plain.gradientNoise = nil
        return plain
      }
    }
    #expect(withoutNoise(with.measurements) == withoutNoise(without.measurements))
    // Fourteen updates of one ghost batch: probes before the 1st, 4th, 7th, 10th and 13th.
    #expect(with.measurements.first?.gradientNoise?.probes == 5)
    #expect(without.measurements.first?.gradientNoise == nil)
    #expect((without.measurements.last?.gradientNoise?.estimates ?? 0) > 0)
    let interrupted = try run.train(threads: 2, stopAfter: [3, 5, 17, 23])
    #expect(interrupted == with)
  }
}
