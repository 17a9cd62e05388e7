import Checkpoints
import Datasets
import Experiments
import Foundation
import NeuralNet
import Statistics
import Tensors
import Values

/// Trains one stage on the calling thread and its team: from a parent's checkpoint (or from nothing)
/// to its end, to the same bits however often it is stopped in between and on however many threads.
package final class StageTrainer {
  package struct Hooks {
    /// Asked at every ghost-batch boundary.
    package var directive: () -> Directive
    package var measured: (Measurement) -> Void
    /// The answer to the directive `checkpoint`.
    package var checkpointed: (TrainingState.Content) -> Void
    package var progressed: (StageProgress) -> Void

    package init(
      directive: @escaping () -> Directive = { .proceed(threads: 1) },
      measured: @escaping (Measurement) -> Void = { _ in },
      checkpointed: @escaping (TrainingState.Content) -> Void = { _ in },
      progressed: @escaping (StageProgress) -> Void = { _ in }
    ) {
      self.directive = directive
      self.measured = measured
      self.checkpointed = checkpointed
      self.progressed = progressed
    }
  }

  private let work: StageWork
  private let dataset: Dataset
  private let hooks: Hooks
  private let team: Team
  private let network: Network
  private let executor: Executor
  private let state: TrainingState
  private let reader: BatchReader
  private let samplesPerEpoch: Int
  private let guessing: Guessing
  private var since = ContinuousClock.now
  private var speed = Speed()

  /// `threads` is the most that any directive will allow.
  package init(
    _ work: StageWork, dataset: Dataset, from checkpoint: Checkpoint?, threads: Int, hooks: Hooks
  ) throws(TrainingState.Mismatch) {
    let facts = dataset.facts
    let input = Extent(height: facts.height, width: facts.width, channels: facts.channels)
    let network = Network(work.spec.network, input: input, classes: facts.classes)
    self.work = work
    self.dataset = dataset
    self.hooks = hooks
    self.network = network
    team = Team(size: max(1, threads))
    executor = Executor(network, capacity: work.ghost, team: team)
    state = TrainingState(work, network: network)
    samplesPerEpoch = dataset.trainIndices.count
    guessing = Guessing(labels: dataset.test.labels)
    reader = BatchReader(dataset, seed: work.seed, ghost: work.ghost, threads: max(1, threads))
    if let checkpoint {
      try state.restore(checkpoint, for: work)
    } else if work.start != 0 {
      throw TrainingState.Mismatch(
        description: "a stage that starts at \(work.start) has no checkpoint")
    }
  }

  deinit { team.close() }

  package func run() -> StageOutcome {
    since = .now
    do throws(Stopped) {
      if isMeasurementDue { try measure() }
      while state.clock < work.end {
        if let ended = try update() { return ended }
      }
    } catch {
      return error.outcome
    }
    guard
      Elementwise.squareSum(
        state.parameters.base, count: state.parameters.count, team: team
      ).isFinite
    else {
      return .diverged(reason: "the parameters are no longer finite at sample \(state.clock)")
    }
    return .finished(snapshot())
  }

  /// The stage was drained or abandoned.
  private struct Stopped: Error { let outcome: StageOutcome }

  /// Asks what to do, at a point where the state can be handed over.
  private func goOn() throws(Stopped) {
    switch hooks.directive() {
    case .proceed(let threads): use(threads)
    case .checkpoint(let threads):
      use(threads)
      hooks.checkpointed(snapshot().content)
    case .drain: throw Stopped(outcome: .drained(snapshot()))
    case .abandon: throw Stopped(outcome: .abandoned)
    }
  }

  private func use(_ threads: Int) {
    if threads != team.width { takeTime() }
    team.width = threads
  }

  // MARK: - One update

  /// Makes one update; gives how the stage ended where it diverged.
  private func update() throws(Stopped) -> StageOutcome? {
    let rate = work.law.rate.value(at: state.clock)
    while state.ghosts < work.ghostsPerUpdate {
      try goOn()
      if isProbeDue { try probe() }
      if let reason = try ghostBatch() { return .diverged(reason: reason) }
    }
    if let reason = applyUpdate(rate) { return .diverged(reason: reason) }
    state.clock += work.law.batch
    state.updates += 1
    state.ghosts = 0
    report(rate)
    if isMeasurementDue { try measure() }
    return nil
  }

  /// The first update boundary at or after an epoch's end, and the stage's end, where the sums since the
  /// measurement before are still there. A stage that was drained while it was measured is measured
  /// when it goes on.
  private var isMeasurementDue: Bool {
    guard state.ghosts == 0, state.measured > 0, state.clock > work.start else { return false }
    let before = state.clock - work.law.batch
    return state.clock / samplesPerEpoch > before / samplesPerEpoch || state.clock == work.end
  }

  /// Adds one ghost batch's gradient; says why where the run has diverged.
  private func ghostBatch() throws(Stopped) -> String? {
    let from = state.clock + state.ghosts * work.ghost
    let (loss, correct) = try gradient(from: from)
    guard loss.isFinite else { return "the training loss is no longer finite at sample \(from)" }
    executor.foldStatistics(into: state.statistics)
    state.lossSum += loss
    state.correct += correct
    state.measured += work.ghost
    accumulate()
    state.ghosts += 1
    return nil
  }

  /// The gradient of the ghost batch that starts at a sample, with its summed loss.
  private func gradient(from: Int) throws(Stopped) -> (loss: Double, correct: Int) {
    let labels = try read { () throws(DatasetError) in
      try reader.training(executor.input, from: from, team: team)
    }
    executor.forward(
      .training, images: work.ghost, parameters: state.parameters, statistics: state.statistics)
    let result = executor.loss(
      labels: labels, smoothing: work.spec.labelSmoothing.double, training: true)
    let loss = result.loss.reduce(0, +)
    if loss.isFinite {
      executor.backward(
        images: work.ghost, parameters: state.parameters, statistics: state.statistics)
    }
    return (loss, result.correct.reduce(0) { $0 + Int($1) })
  }

  /// What cannot be read ends the training: the state before it can be gone on from.
  private func read(_ body: () throws(DatasetError) -> [Int32]) throws(Stopped) -> [Int32] {
    do throws(DatasetError) { return try body() } catch {
      throw Stopped(outcome: .unreadable(error, snapshot()))
    }
  }

  // MARK: - Gradient noise

  /// Where an update is one ghost batch, there is nothing to compare its gradient with.
  private var isProbeDue: Bool {
    guard let probe = work.probe else { return false }
    return work.ghostsPerUpdate == 1 && state.updates % probe.every == 0
  }

  /// Gradients of the next ghost batches at the weights of now, for the noise scale alone. Touches
  /// nothing that training goes on from: the sums of an update that has not begun are free.
  private func probe() throws(Stopped) {
    let start = ContinuousClock.now
    let ghosts = work.probe?.ghostBatches ?? 0
    var noise = state.noise
    for ghost in 0..<ghosts {
      let from = state.clock + ghost * work.ghost
      // Training meets these samples at other weights: whether it diverges is for it to say.
      guard try gradient(from: from).loss.isFinite else { return }
      noise.ghostSquares += squareSum(executor.gradients)
      Elementwise.copy(
        state.segment.base, from: executor.gradients.base, adding: ghost > 0,
        count: network.parameterCount, team: team)
    }
    Elementwise.scale(
      state.segment.base, by: 1 / Float(ghosts), count: network.parameterCount, team: team)
    noise.close(
      total: squareSum(state.segment), ghosts: ghosts, ghost: work.ghost, isProbe: true)
    noise.probeSeconds += (ContinuousClock.now - start) / .seconds(1)
    state.noise = noise
  }

  private func squareSum(_ values: Floats) -> Double {
    Elementwise.squareSum(values.base, count: network.parameterCount, team: team)
  }

  private func accumulate() {
    let ghost = state.ghosts
    let startsSegment = ghost == 0 || work.segmentEnds(after: ghost - 1)
    let count = network.parameterCount
    if work.ghostsPerUpdate > 1 { state.noise.ghostSquares += squareSum(executor.gradients) }
    Elementwise.copy(
      state.segment.base, from: executor.gradients.base, adding: !startsSegment, count: count,
      team: team)
    guard work.segmentEnds(after: ghost) else { return }
    let isFirst = !(0..<ghost).contains { work.segmentEnds(after: $0) }
    Elementwise.copy(
      state.finishedSegments.base, from: state.segment.base, adding: !isFirst, count: count,
      team: team)
  }

  private func applyUpdate(_ rate: Float) -> String? {
    let gradient = state.finishedSegments
    let ghosts = work.ghostsPerUpdate
    if ghosts > 1 {
      Elementwise.scale(gradient.base, by: 1 / Float(ghosts), count: gradient.count, team: team)
    }
    let square = squareSum(gradient)
    guard square.isFinite else {
      return "the gradient is no longer finite at sample \(state.clock)"
    }
    if ghosts > 1 {
      state.noise.close(total: square, ghosts: ghosts, ghost: work.ghost, isProbe: false)
    }
    guard
      Elementwise.squareSum(
        state.statistics.base, count: state.statistics.count, team: team
      ).isFinite
    else {
      return "a running statistic is no longer finite at sample \(state.clock)"
    }
    state.optimizer.step(
      parameters: state.parameters, gradient: gradient, rate: rate, momentum: work.law.momentum,
      step: state.updates + 1, team: team)
    return nil
  }

  // MARK: - Measuring

  private func measure() throws(Stopped) {
    // The update before, whose results these are.
    let last = state.clock - work.law.batch
    let hasNoise = work.spec.optimizer.name.hasNoiseScale
    let noise = work.law.noiseScale(at: last, samples: samplesPerEpoch)
    let test = try evaluate(dataset.test, (0..<dataset.test.count).map(Int32.init))
    let validation =
      dataset.validationIndices.isEmpty
      ? nil : try evaluate(dataset.train, dataset.validationIndices)
    takeTime()
    hooks.measured(
      Measurement(
        samples: state.clock, updates: state.updates,
        epoch: Double(state.clock) / Double(samplesPerEpoch), batch: work.law.batch,
        learningRate: work.law.rate.value(at: last), noiseScale: hasNoise ? noise.approximate : nil,
        train: .init(
          loss: state.lossSum / Double(state.measured),
          accuracy: Double(state.correct) / Double(state.measured)),
        gradientNoise: state.noise.means, test: test.score,
        testSamples: guessing.samples, testCommonest: guessing.commonest,
        isAboveGuessing: guessing.isBelow(test.correct), validation: validation?.score,
        seconds: state.seconds, coreSeconds: state.coreSeconds, peakMemory: peakMemory()))
    (state.lossSum, state.correct, state.measured) = (0, 0, 0)
    state.noise = GradientNoise()
  }

  /// Mean loss (without smoothing) and accuracy over samples, by the running statistics. Asks what to do
  /// before each ghost batch: testing may take minutes.
  private func evaluate(_ samples: Samples, _ indices: [Int32]) throws(Stopped)
    -> (score: Measurement.Score, correct: Int)
  {
    var (loss, correct) = (0.0, 0)
    let batches = reader.inOrder(samples, indices, by: executor.capacity)
    for start in stride(from: 0, to: indices.count, by: executor.capacity) {
      try goOn()
      let labels = try read { () throws(DatasetError) in
        try batches.write(executor.input, from: start, team: team)
      }
      executor.forward(
        .inference, images: labels.count, parameters: state.parameters, statistics: state.statistics
      )
      let result = executor.loss(labels: labels, smoothing: 0, training: false)
      for value in result.loss { loss += value }
      correct += result.correct.reduce(0) { $0 + Int($1) }
    }
    let score = Measurement.Score(
      loss: loss / Double(indices.count), accuracy: Double(correct) / Double(indices.count))
    return (score, correct)
  }

  // MARK: - Bookkeeping

  private func snapshot() -> StageOutcome.Checkpoint {
    takeTime()
    return .init(content: state.content(of: work, dataset.inputs))
  }

  private func takeTime() {
    let now = ContinuousClock.now
    let passed = (now - since) / .seconds(1)
    state.seconds += passed
    state.coreSeconds += passed * Double(team.width)
    since = now
  }

  private func report(_ rate: Float) {
    takeTime()
    speed.note(samples: work.law.batch, at: since)
    hooks.progressed(
      StageProgress(
        updates: (state.clock - work.start) / work.law.batch, samples: state.clock,
        seconds: state.seconds, coreSeconds: state.coreSeconds,
        samplesPerSecond: speed.perSecond, threads: team.width,
        learningRate: rate))
  }
}

/// Samples a second over the last few seconds.
private struct Speed {
  private var marks: [(at: ContinuousClock.Instant, samples: Int)] = []
  private var total = 0

  mutating func note(samples: Int, at now: ContinuousClock.Instant) {
    total += samples
    if let last = marks.last, now - last.at < .milliseconds(200) { return }
    marks.append((now, total))
    if marks.count > 2, now - marks[0].at > .seconds(5) { marks.removeFirst() }
  }

  var perSecond: Double {
    guard let first = marks.first, let last = marks.last, last.at > first.at else { return 0 }
    return Double(last.samples - first.samples) / ((last.at - first.at) / .seconds(1))
  }
}
