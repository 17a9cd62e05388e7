/// The plan as JSON: what `jobctl plan --json` prints, and what is submitted to the queue.

extension Plan {
  /// docs/JSON.md, format 1. `cost` says what a run takes: it is known to whoever knows networks.
  package func json(cost: (TrainingSpec, DatasetFacts) -> [JSON.Member]) -> JSON {
    let totals = totals
    return [
      "format": 1, "grid": .string(grid.name),
      "runs": .array(
        runs.map { planned in
          let stages = stages(of: planned)
          return .object(
            [
              .init("name", .string(planned.run.name)),
              .init("updates", .integer(stages.reduce(0) { $0 + $1.updates })),
              .init("epochs", .real(stages.reduce(0) { $0 + $1.epochs })),
            ] + cost(planned.run.spec.training, planned.facts) + [
              .init(
                "stages",
                .array(stages.map { $0.json(planned.run.spec.training.optimizer.name) }))
            ])
        }),
      "totals": [
        "runs": .integer(totals.runs), "stages": .integer(totals.stages),
        "unique_stages": .integer(totals.uniqueStages), "updates": .integer(totals.updates),
        "unique_updates": .integer(totals.uniqueUpdates), "epochs": .real(totals.epochs),
        "unique_epochs": .real(totals.uniqueEpochs),
      ],
    ]
  }

  /// What stands in the way of training this grid with this version, one sentence a reason.
  package var obstacles: [String] {
    var reasons: [String] = []
    for run in runs {
      let spec = run.run.spec.training
      if spec.dataset.name == .imageNet {
        reasons.append("the data set imagenet can only be planned")
      }
      if spec.dataset.name != .imageNet, spec.datasetDigest == nil {
        reasons.append(
          "the files of the data set \(spec.dataset.name.rawValue) are not here, so its digest is unknown; "
            + "set JOBCTL_DATA to the folder that holds them")
      }
    }
    var seen: Set<String> = []
    return reasons.filter { seen.insert($0).inserted }
  }

  /// The document that the queue's `api.submit` takes.
  ///
  /// The priority of a grid that is there already is changed where one is given.
  package func submission(priority: Int?, memory: (TrainingSpec, DatasetFacts) -> Int) -> JSON {
    let pinned = Set(runs.filter(\.run.spec.isPinned).flatMap(\.stages))
    var specs: [JSON.Member] = []
    var datasets: [JSON.Member] = []
    var specDigests: [TrainingSpec: String] = [:]
    // Grids may have a million of these.
    var known: Set<String> = []
    var memoryBytes: [TrainingSpec: Int] = [:]
    for run in runs where memoryBytes[run.run.spec.training] == nil {
      memoryBytes[run.run.spec.training] = memory(run.run.spec.training, run.facts)
    }
    for (_, _, spec) in stages where specDigests[spec] == nil {
      let digest = Digest.sha256(of: spec.json.encoded(sorted: true))
      specDigests[spec] = digest
      if known.insert(digest).inserted { specs.append(.init(digest, spec.json)) }
      if let data = spec.datasetDigest, known.insert(data).inserted {
        datasets.append(.init(data, spec.dataset.json))
      }
    }
    func rows(_ members: [JSON.Member], _ name: String) -> JSON {
      .array(members.map { .object([.init("digest", .string($0.key)), .init(name, $0.value)]) })
    }
    return [
      "format": 1,
      "grid": [
        "name": .string(grid.name), "content_digest": .string(grid.contentDigest),
        "document": grid.document, "priority": .integer(priority ?? 0),
        "sets_priority": .bool(priority != nil),
      ],
      "specs": rows(specs, "document"), "datasets": rows(datasets, "description"),
      "stages": .array(
        stages.enumerated().map { index, unique in
          let (stage, parent, spec) = unique
          return stage.submission(
            parent: parent.flatMap { stages[$0].stage.digest }, specDigest: specDigests[spec] ?? "",
            spec: spec, memory: memoryBytes[spec] ?? 0, isPinned: pinned.contains(index))
        }),
      "runs": .array(runs.enumerated().map { submission(of: $1, position: $0) }),
    ]
  }

  private func submission(of planned: PlannedRun, position: Int) -> JSON {
    let stages = stages(of: planned)
    let spec = planned.run.spec
    return [
      "name": .string(planned.run.name), "position": .integer(position),
      "seed": .integer(spec.training.seed), "labels": .object(planned.run.labels),
      "learning_rate": spec.training.optimizer.learningRate.json,
      "schedule": .string(spec.schedule.name.rawValue),
      "optimizer": .string(spec.training.optimizer.name.rawValue),
      "variant": planned.run.variant.map(JSON.string) ?? .null,
      "updates": .integer(stages.reduce(0) { $0 + $1.updates }),
      "samples": .integer(stages.last?.end ?? 0),
      "epochs": .real(stages.reduce(0) { $0 + $1.epochs }),
      "stages": .array(stages.map { .string($0.digest ?? "") }),
    ]
  }
}

extension Stage {
  fileprivate func json(_ optimizer: OptimizerSpec.Name) -> JSON {
    let noise = noiseScale(optimizer: optimizer)
    return [
      "digest": digest.map(JSON.string) ?? .null, "batch": .integer(law.batch),
      "ghost": .integer(ghost),
      "learning_rate": .real(rate), "learning_rate_end": .real(rateAtEnd),
      "law": .string(law.rate.name), "momentum": law.momentum?.json ?? .null,
      "noise_scale": noise.map { .real($0.approximate) } ?? .null,
      "noise_scale_exact": noise.map { .real($0.exact) } ?? .null,
      "samples": .integer(samples), "updates": .integer(updates), "epochs": .real(epochs),
    ]
  }

  fileprivate func submission(
    parent: String?, specDigest: String, spec: TrainingSpec, memory: Int, isPinned: Bool
  )
    -> JSON
  {
    let noise = noiseScale(optimizer: spec.optimizer.name)
    return [
      "digest": digest.map(JSON.string) ?? .null, "parent": parent.map(JSON.string) ?? .null,
      "spec": .string(specDigest), "dataset": spec.datasetDigest.map(JSON.string) ?? .null,
      "numerics_version": .integer(numericsVersion), "memory_bytes": .integer(memory),
      "pinned": .bool(isPinned),
      "start_samples": .integer(start), "end_samples": .integer(end),
      "start_updates": .integer(startUpdates), "updates": .integer(updates),
      "batch": .integer(law.batch), "ghost": .integer(ghost), "learning_rate": .real(rate),
      "learning_rate_end": .real(rateAtEnd), "law": law.json,
      "momentum": law.momentum?.json ?? .null,
      "noise_scale": noise.map { .real($0.approximate) } ?? .null,
      "noise_scale_exact": noise.map { .real($0.exact) } ?? .null, "epochs": .real(epochs),
    ]
  }
}
