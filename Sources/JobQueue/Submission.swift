import Experiments
import Postgres
import Values

/// A planned grid on its way into the queue: rows for the tables that api.open_submission opens.
///
/// What runs with different seeds have in common is sent once; a stage's digest with a seed is all
/// that there may be a million of, and is made while it is sent.
package struct Submission: Sendable {
  /// What api.open_submission takes.
  package var header: JSON
  /// Rows, in the order of the columns below.
  package var specs: [[Parameter]]
  package var settings: [[Parameter]]
  package var stages: [[Parameter]]
  package var seeds: [Int]
  /// Of a stage, by its number, with a seed.
  package var digest: @Sendable (_ stage: Int, _ seed: Int) -> String

  package init(
    header: JSON, specs: [[Parameter]], settings: [[Parameter]], stages: [[Parameter]],
    seeds: [Int], digest: @escaping @Sendable (_ stage: Int, _ seed: Int) -> String
  ) {
    self.header = header
    (self.specs, self.settings, self.stages) = (specs, settings, stages)
    (self.seeds, self.digest) = (seeds, digest)
  }

  /// The header of a grid. The priority of a grid that is there already is changed where one is given.
  package static func header(
    name: String, contentDigest: String, document: JSON, priority: Int?, datasets: JSON = []
  ) -> JSON {
    [
      "format": 2, "name": .string(name), "content_digest": .string(contentDigest),
      "document": document, "priority": .integer(priority ?? 0),
      "sets_priority": .bool(priority != nil), "datasets": datasets,
    ]
  }

  /// Sends it on a connection that has a transaction open, and gives the queue's answer.
  package func send(on connection: isolated Connection) throws(PostgresError) -> String? {
    let open = try connection.query("select api.open_submission($1)", [.text(header.encoded())])
    if let answer = open.single { return answer }
    let numbered = seeds.enumerated().map { $0 }
    try copy(specs, "spec(digest, document)", on: connection) { $0 }
    try copy(
      settings,
      """
      setting(number, name, labels, learning_rate, schedule, optimizer, variant, updates, samples,
        epochs, classes, samples_per_epoch, chain)
      """, on: connection
    ) { $0 }
    try copy(numbered, "seed(number, seed)", on: connection) {
      [.integer($0.offset), .integer($0.element)]
    }
    try copy(
      stages,
      """
      stage(number, setting, parent, spec, dataset, numerics_version, memory_bytes, pinned,
        start_samples, end_samples, start_updates, updates, batch, ghost, learning_rate,
        learning_rate_end, law, momentum, noise_scale, noise_scale_exact, epochs, backend,
        preparation, probe)
      """, on: connection
    ) { $0 }
    let pairs = numbered.lazy.flatMap { seed in stages.indices.lazy.map { (seed: seed, stage: $0) }
    }
    try copy(pairs, "digest(stage, seed, digest)", on: connection) { pair in
      [
        .integer(pair.stage), .integer(pair.seed.offset),
        .text(digest(pair.stage, pair.seed.element)),
      ]
    }
    return try connection.query("select api.close_submission()").single
  }

  private func copy<Items: Sequence>(
    _ items: Items, _ table: String, on connection: isolated Connection,
    _ row: (Items.Element) -> [Parameter]
  ) throws(PostgresError) {
    var rest = items.makeIterator()
    try connection.copy("copy pg_temp.submitted_\(table) from stdin") {
      var lines = CopyLines()
      while !lines.isFull, let item = rest.next() { lines.add(row(item)) }
      return lines.isEmpty ? nil : lines
    }
  }
}

extension Submission {
  /// `memory` says what a run takes: it is known to whoever knows networks.
  package init(
    _ plan: Plan, priority: Int?, memory: (TrainingSpec, DatasetFacts) -> Int
  ) {
    let grid = plan.grid
    var specDigests: [TrainingSpec: String] = [:]
    var memoryBytes: [TrainingSpec: Int] = [:]
    var specs: [[Parameter]] = []
    var datasets: [String: JSON] = [:]
    for planned in plan.settings {
      let spec = planned.setting.spec.training
      guard specDigests[spec] == nil else { continue }
      let text = spec.json.encoded(sorted: true)
      let digest = Digest.sha256(of: text)
      specDigests[spec] = digest
      memoryBytes[spec] = memory(spec, planned.facts)
      specs.append([.text(digest), .text(text)])
      if let data = spec.datasetDigest { datasets[data] = spec.dataset.json }
    }
    let pinned = Set(plan.settings.filter(\.setting.spec.isPinned).flatMap(\.stages))
    self.init(
      header: Submission.header(
        name: grid.name, contentDigest: grid.contentDigest, document: grid.document,
        priority: priority,
        datasets: .array(
          datasets.map { ["digest": .string($0.key), "description": $0.value] })),
      specs: specs,
      settings: plan.settings.enumerated().map { number, planned in
        plan.row(of: planned, number: number)
      },
      stages: plan.stages.enumerated().map { number, planned in
        planned.row(
          number: number, spec: specDigests[planned.spec] ?? "",
          memory: memoryBytes[planned.spec] ?? 0, isPinned: pinned.contains(number))
      },
      seeds: grid.seeds,
      digest: { [stages = plan.stages] in stages[$0].digest(seed: $1) ?? "" })
  }
}

extension Plan {
  fileprivate func row(of planned: PlannedSetting, number: Int) -> [Parameter] {
    let (setting, stages) = (planned.setting, stages(of: planned))
    let training = setting.spec.training
    return [
      .integer(number), .text(setting.name), .text(JSON.object(setting.labels).encoded()),
      .text(training.optimizer.learningRate.json.encoded()),
      .text(setting.spec.schedule.name.rawValue), .text(training.optimizer.name.rawValue),
      Parameter(setting.variant), .integer(stages.reduce(0) { $0 + $1.updates }),
      .integer(stages.last?.end ?? 0), .real(stages.reduce(0) { $0 + $1.epochs }),
      .integer(planned.facts.classes),
      .integer(planned.facts.train - training.dataset.validation), .integers(planned.stages),
    ]
  }
}

extension PlannedStage {
  fileprivate func row(number: Int, spec digest: String, memory: Int, isPinned: Bool)
    -> [Parameter]
  {
    let noise = stage.noiseScale(optimizer: spec.optimizer.name)
    return [
      .integer(number), .integer(setting), Parameter(parent), .text(digest),
      Parameter(spec.datasetDigest), .integer(numericsVersion), .integer(memory), .bool(isPinned),
      .integer(stage.start), .integer(stage.end), .integer(stage.startUpdates),
      .integer(stage.updates), .integer(stage.law.batch), .integer(stage.ghost),
      .text(String(stage.rate)), .text(String(stage.rateAtEnd)), .text(stage.law.json.encoded()),
      stage.law.momentum.map { .text($0.json.encoded()) } ?? .null,
      noise.map { .real($0.approximate) } ?? .null, noise.map { .real($0.exact) } ?? .null,
      .real(stage.epochs), .text(Backend.native.rawValue), .integer(preparationVersion),
      probe.map { .text($0.json.encoded()) } ?? .null,
    ]
  }
}
