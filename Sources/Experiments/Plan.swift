import Values

/// The plan of a grid: each setting's stages, and which of them are the same. Pure arithmetic: nothing
/// is trained, opened or asked. Runs that differ in the seed alone have the same plan, so a grid of a
/// million seeds is planned once.

/// A stage of a setting, whatever the seed.
package struct Stage: Hashable, Sendable {
  package var law: Law
  /// Sample clock at the start and at the end; both are update boundaries.
  package var start: Int
  package var end: Int
  /// Updates of the whole run before this stage.
  package var startUpdates: Int
  /// Training samples of an epoch (N).
  package var samplesPerEpoch: Int
  /// Samples that are normalized together: the ghost batch, or the batch where it is smaller.
  package var ghost: Int

  package var updates: Int { (end - start) / law.batch }
  package var samples: Int { end - start }
  package var epochs: Double { Double(samples) / Double(samplesPerEpoch) }
  package var rate: Float { law.rate.value(at: start) }
  package var rateAtEnd: Float { law.rate.value(at: end - law.batch) }

  /// The noise scale at the stage's first update; nil for Adam and LARS, whose steps have no such scale.
  package func noiseScale(optimizer: OptimizerSpec.Name) -> NoiseScale? {
    optimizer.hasNoiseScale ? law.noiseScale(at: start, samples: samplesPerEpoch) : nil
  }
}

package struct PlannedSetting: Sendable {
  package var setting: Setting
  /// What is known of its data; nil of a trainer's.
  package var facts: DatasetFacts?
  /// Training samples of an epoch (N).
  package var samplesPerEpoch: Int
  /// Indices into the plan's `stages`, in order.
  package var stages: [Int]
}

package struct PlannedStage: Sendable {
  package var stage: Stage
  /// Index of the stage before, which the same seed trains.
  package var parent: Int?
  package var spec: StageSpec
  /// The probe of the first setting that asks for one.
  package var probe: GradientProbe?
  /// The first setting that it belongs to.
  package var setting: Int
  /// The text of its digests.
  package var identity: StageIdentity

  /// Names the state at the stage's end; nil while the data's digest is unknown.
  package func digest(seed: Int) -> String? {
    spec.datasetDigest == nil ? nil : identity.digest(seed: seed)
  }
}

package struct Plan: Sendable {
  package var grid: Grid
  package var settings: [PlannedSetting]
  /// The unique stages, parents before children, each trained once a seed.
  package var stages: [PlannedStage]

  package func stages(of setting: PlannedSetting) -> [Stage] {
    setting.stages.map { stages[$0].stage }
  }

  package var totals: Totals {
    var totals = Totals()
    let seeds = grid.seeds.count
    totals.runs = settings.count * seeds
    for stage in settings.lazy.flatMap(stages(of:)) {
      totals.stages += seeds
      totals.updates += stage.updates * seeds
      totals.epochs += stage.epochs * Double(seeds)
    }
    totals.uniqueStages = stages.count * seeds
    for planned in stages {
      totals.uniqueUpdates += planned.stage.updates * seeds
      totals.uniqueEpochs += planned.stage.epochs * Double(seeds)
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
  /// `digests` are of the folders of code and the lock files of trainers.
  package init(
    _ grid: Grid, digests: [TrainerFiles: TrainerDigests] = [:],
    facts: (DatasetSpec) throws(InvalidDocument) -> DatasetFacts
  ) throws(InvalidDocument) {
    self.grid = grid
    var known: [DatasetSpec: DatasetFacts] = [:]
    var found = RunProblems()
    var prepared: [(planned: PlannedSetting, phases: [Phase])] = []
    for setting in grid.settings {
      let dataset = setting.spec.training.dataset
      // The same files, whatever is held out of them or done to their pictures.
      let data = dataset.samplesAlone
      if known[data] == nil { known[data] = try facts(data) }
      guard let fact = known[data] else { continue }
      var problems: [Problem] = []
      let planned = PlannedSetting(setting, fact, digests, problems: &problems)
      if problems.isEmpty {
        let phases = setting.spec.phases(samples: planned.samplesPerEpoch, problems: &problems)
        prepared.append((planned, phases))
      }
      found.add(
        problems, of: Setting.runName(setting.name, seed: String(grid.seeds[0])), grid.seeds.count)
    }
    try found.throwIfAny(of: grid.runCount)
    var cutter = StageCutter(owner: grid.sharesStages ? nil : grid.name)
    for (planned, phases) in prepared { cutter.note(planned.setting, phases) }
    settings = prepared.enumerated().map { index, entry in
      var planned = entry.planned
      planned.stages = cutter.stages(
        of: planned.setting, index, entry.phases, samplesPerEpoch: planned.samplesPerEpoch)
      return planned
    }
    stages = cutter.stages
    let updates = settings.reduce(0.0) { sum, setting in
      sum + setting.stages.reduce(0.0) { $0 + Double(stages[$1].stage.updates) }
    }
    guard updates * Double(grid.seeds.count) <= Plan.mostUpdates else {
      throw InvalidDocument([
        Problem(
          "epochs",
          "the runs have \(updates * Double(grid.seeds.count)) updates together; at most \(Plan.mostUpdates)"
        )
      ])
    }
  }

  /// Whole numbers are exact up to here in JSON and in double precision.
  private static let mostUpdates = 0x1p53
}

/// Cuts settings into stages wherever two of them part, so that what they have in common is one
/// stage. Settings form a trie whose edges are laws; an edge is cut at every point where one leaves it.
private struct StageCutter {
  var stages: [PlannedStage] = []

  /// Whose stages are its runs' own, where nothing is shared: the grid's name.
  private let owner: String?

  private struct Edge: Hashable {
    /// Identity of the spec and of all phases before this one, with their ends.
    var path: String
    var law: String
  }

  private var ends: [Edge: Set<Int>] = [:]
  private var indices: [StageIdentity: Int] = [:]
  /// Stages of an edge by their ends: settings that share it need not be told apart by their identity.
  private var made: [Edge: [Int: Int]] = [:]

  init(owner: String?) { self.owner = owner }

  /// What tells a run whose stages are its own from all others.
  private func owner(_ setting: Setting) -> String? {
    owner.map { "\($0)/" + Setting.runName(setting.name, seed: StageIdentity.place) }
  }

  private func edges(_ setting: Setting, _ phases: [Phase]) -> [Edge] {
    var path =
      setting.spec.training.content.encoded(sorted: true)
      + (owner(setting).map { "|\($0)" } ?? "")
    return phases.map { phase in
      let law = phase.law.identity.encoded(sorted: true)
      defer { path += "|\(law)@\(phase.end)" }
      return Edge(path: path, law: law)
    }
  }

  mutating func note(_ setting: Setting, _ phases: [Phase]) {
    for (edge, phase) in zip(edges(setting, phases), phases) {
      ends[edge, default: []].insert(phase.end)
    }
  }

  /// Indices of the stages of a setting, which has this number.
  mutating func stages(
    of setting: Setting, _ number: Int, _ phases: [Phase], samplesPerEpoch: Int
  ) -> [Int] {
    let spec = setting.spec.training
    var chain: [Int] = []
    var laws: [(law: Law, until: Int)] = []
    var startUpdates = 0
    for (edge, phase) in zip(edges(setting, phases), phases) {
      var start = phase.start
      let cuts = (ends[edge] ?? []).filter { $0 <= phase.end }.sorted()
      var known = made[edge] ?? [:]
      defer { laws.append((phase.law, phase.end)) }
      for end in cuts {
        if let index = known[end] {
          chain.append(index)
          if stages[index].probe == nil { stages[index].probe = setting.spec.probe }
          startUpdates += stages[index].stage.updates
          start = end
          continue
        }
        let identity = StageIdentity(
          spec.backend, spec: spec.content, laws: laws + [(phase.law, end)], owner: owner(setting))
        let stage = Stage(
          law: phase.law, start: start, end: end, startUpdates: startUpdates,
          samplesPerEpoch: samplesPerEpoch, ghost: min(spec.ghost, phase.law.batch))
        if let index = indices[identity] {
          chain.append(index)
          if stages[index].probe == nil { stages[index].probe = setting.spec.probe }
        } else {
          indices[identity] = stages.count
          stages.append(
            PlannedStage(
              stage: stage, parent: chain.last, spec: spec, probe: setting.spec.probe,
              setting: number, identity: identity))
          chain.append(stages.count - 1)
        }
        known[end] = chain[chain.count - 1]
        startUpdates += stage.updates
        start = end
      }
      made[edge] = known
    }
    return chain
  }
}

extension PlannedSetting {
  /// Without stages; the spec with the digests of its data and code.
  fileprivate init(
    _ setting: Setting, _ facts: DatasetFacts, _ digests: [TrainerFiles: TrainerDigests],
    problems: inout [Problem]
  ) {
    var setting = setting
    switch setting.spec.training {
    case .native(var spec):
      spec.datasetDigest = facts.digest
      setting.spec.training = .native(spec)
      if let problem = spec.problem(with: facts) { problems.append(problem) }
      self.init(
        setting: setting, facts: facts, samplesPerEpoch: spec.samplesPerEpoch(of: facts), stages: []
      )
    case .external(var spec):
      spec.datasetDigest = facts.digest
      let known = digests[spec.files]
      (spec.code, spec.lock) = (known?.code, known?.lock)
      setting.spec.training = .external(spec)
      self.init(
        setting: setting, facts: nil, samplesPerEpoch: spec.samplesPerEpoch, stages: [])
    }
  }
}
