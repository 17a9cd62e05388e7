/// The plan of a grid: each run's stages, and which of them are the same. Pure arithmetic: nothing
/// is trained, opened or asked.

package struct Stage: Hashable, Sendable {
  /// Names the stage's end state; nil while the data's digest is unknown.
  package var digest: String?
  package var law: Law
  /// Sample clock at the start and at the end; both are update boundaries.
  package var start: Int
  package var end: Int
  /// Updates of the whole run before this stage.
  package var startUpdates: Int
  /// Training samples of an epoch (N).
  package var samplesPerEpoch: Int
  package var ghost: Int

  package var updates: Int { (end - start) / law.batch }
  package var samples: Int { end - start }
  package var epochs: Double { Double(samples) / Double(samplesPerEpoch) }
  package var rate: Float { law.rate.value(at: start) }
  package var rateAtEnd: Float { law.rate.value(at: end - law.batch) }

  /// The noise scale at the stage's first update; nil for Adam and LARS, whose steps have no such scale.
  package func noiseScale(optimizer: OptimizerSpec.Name) -> (approximate: Double, exact: Double)? {
    guard optimizer.hasNoiseScale else { return nil }
    let momentum = law.momentum?.double ?? 0
    let rate = law.rate.isConstant ? law.rate.base.double : Double(self.rate)
    return (
      NoiseScale.approximate(
        rate: rate, samples: samplesPerEpoch, batch: law.batch, momentum: momentum),
      NoiseScale.exact(rate: rate, samples: samplesPerEpoch, batch: law.batch, momentum: momentum)
    )
  }
}

package struct PlannedRun: Sendable {
  package var run: Run
  package var facts: DatasetFacts
  /// Indices into the plan's `stages`, in order.
  package var stages: [Int]
}

package struct Plan: Sendable {
  package var grid: Grid
  package var runs: [PlannedRun]
  /// The unique stages, parents before children, with the index of the parent.
  package var stages: [(stage: Stage, parent: Int?, spec: TrainingSpec)]

  package func stages(of run: PlannedRun) -> [Stage] { run.stages.map { stages[$0].stage } }

  package var totals: Totals {
    var totals = Totals()
    totals.runs = runs.count
    for run in runs {
      for index in run.stages {
        totals.stages += 1
        totals.updates += stages[index].stage.updates
        totals.epochs += stages[index].stage.epochs
      }
    }
    totals.uniqueStages = stages.count
    for (stage, _, _) in stages {
      totals.uniqueUpdates += stage.updates
      totals.uniqueEpochs += stage.epochs
    }
    return totals
  }

  package struct Totals: Sendable {
    package var runs = 0
    package var stages = 0
    package var uniqueStages = 0
    package var updates = 0
    package var uniqueUpdates = 0
    package var epochs = 0.0
    package var uniqueEpochs = 0.0
  }
}

extension Plan {
  /// Plans a grid. `facts` says what is known of a data set, or throws what must be said about it.
  package init(
    _ grid: Grid, facts: (DatasetSpec) throws(InvalidGrid) -> DatasetFacts
  ) throws(InvalidGrid) {
    self.grid = grid
    var known: [DatasetSpec: DatasetFacts] = [:]
    var found = RunProblems()
    var prepared: [(run: Run, facts: DatasetFacts, phases: [Phase])] = []
    for var run in grid.runs {
      let dataset = run.spec.training.dataset
      if known[dataset] == nil { known[dataset] = try facts(dataset) }
      guard let fact = known[dataset] else { continue }
      run.spec.training.datasetDigest = fact.digest
      var problems: [Problem] = []
      let n = fact.train - dataset.validation
      let (network, side) = (run.spec.training.network, min(fact.height, fact.width))
      if side < network.leastSide {
        problems.append(
          Problem(
            "network",
            "\(network.name) needs pictures of at least \(network.leastSide) pixels a side, not \(side)"
          ))
      }
      if n < 1 {
        problems.append(
          Problem("dataset.validation", "leaves none of the \(fact.train) training samples"))
      } else {
        let phases = run.spec.phases(samples: n, problems: &problems)
        prepared.append((run, fact, phases))
      }
      found.add(problems, of: run.name)
    }
    try found.throwIfAny(of: grid.runs.count)
    var cutter = StageCutter()
    /// A run whose stages are its own, by what tells it from all others.
    func owner(_ run: Run) -> String? { grid.sharesStages ? nil : "\(grid.name)/\(run.name)" }
    for (run, _, phases) in prepared {
      cutter.note(run.spec.training, owner: owner(run), phases)
    }
    runs = []
    for (run, fact, phases) in prepared {
      let n = fact.train - run.spec.training.dataset.validation
      let stages = cutter.stages(
        of: run.spec.training, owner: owner(run), phases, samplesPerEpoch: n)
      runs.append(PlannedRun(run: run, facts: fact, stages: stages))
    }
    stages = cutter.stages
  }
}

/// Cuts runs into stages wherever two of them part, so that what they have in common is one stage.
/// Runs form a trie whose edges are laws; an edge is cut at every point where some run leaves it.
private struct StageCutter {
  var stages: [(stage: Stage, parent: Int?, spec: TrainingSpec)] = []

  private struct Edge: Hashable {
    /// Identity of the spec and of all phases before this one, with their ends.
    var path: String
    var law: String
  }

  private var ends: [Edge: Set<Int>] = [:]
  private var indices: [String: Int] = [:]

  private func edges(_ spec: TrainingSpec, _ owner: String?, _ phases: [Phase]) -> [Edge] {
    var path = spec.identity.encoded(sorted: true) + (owner.map { "|\($0)" } ?? "")
    return phases.map { phase in
      let law = phase.law.identity.encoded(sorted: true)
      defer { path += "|\(law)@\(phase.end)" }
      return Edge(path: path, law: law)
    }
  }

  mutating func note(_ spec: TrainingSpec, owner: String?, _ phases: [Phase]) {
    for (edge, phase) in zip(edges(spec, owner, phases), phases) {
      ends[edge, default: []].insert(phase.end)
    }
  }

  mutating func stages(
    of spec: TrainingSpec, owner: String?, _ phases: [Phase], samplesPerEpoch: Int
  ) -> [Int] {
    var chain: [Int] = []
    var laws: [JSON] = []
    var startUpdates = 0
    for (edge, phase) in zip(edges(spec, owner, phases), phases) {
      var start = phase.start
      let cuts = (ends[edge] ?? []).filter { $0 <= phase.end }.sorted()
      for end in cuts {
        let lawsSoFar = laws + [["law": phase.law.identity, "until": .integer(end)]]
        var content: [JSON.Member] = [
          .init("numerics_version", .integer(numericsVersion)), .init("training", spec.identity),
          .init("laws", .array(lawsSoFar)),
        ]
        if let owner { content.append(.init("owner", .string(owner))) }
        let key = Digest.sha256(of: JSON.object(content).encoded(sorted: true))
        let stage = Stage(
          digest: spec.datasetDigest == nil ? nil : key, law: phase.law, start: start, end: end,
          startUpdates: startUpdates, samplesPerEpoch: samplesPerEpoch, ghost: spec.ghost)
        if let index = indices[key] {
          chain.append(index)
        } else {
          indices[key] = stages.count
          stages.append((stage, chain.last, spec))
          chain.append(stages.count - 1)
        }
        startUpdates += stage.updates
        start = end
      }
      laws.append(["law": phase.law.identity, "until": .integer(phase.end)])
    }
    return chain
  }
}
