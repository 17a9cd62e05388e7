import Values

/// The plan as JSON: what `jobctl plan --json` prints.

extension Plan {
  /// docs/JSON.md, format 1. `cost` says what a run takes: it is known to whoever knows networks.
  package func json(cost: (PlannedSetting) -> [JSON.Member]) -> JSON {
    let totals = totals
    return [
      "format": 1, "grid": .string(grid.name),
      "runs": .array(
        settings.flatMap { planned in
          let spec = planned.setting.spec.training
          let stages = stages(of: planned)
          let common: [JSON.Member] =
            [
              .init("updates", .integer(stages.reduce(0) { $0 + $1.updates })),
              .init("epochs", .real(stages.reduce(0) { $0 + $1.epochs })),
            ] + cost(planned)
          return grid.seeds.map { seed -> JSON in
            let name = Setting.runName(planned.setting.name, seed: String(seed))
            let stages = planned.stages.map { index -> JSON in
              let digest = self.stages[index].digest(seed: seed)
              return .object(
                [.init("digest", digest.map(JSON.string) ?? .null)]
                  + self.stages[index].stage.members(spec.optimizer.name))
            }
            return .object(
              [.init("name", .string(name))] + common + [.init("stages", .array(stages))])
          }
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
    for planned in settings {
      let spec = planned.setting.spec.training
      if spec.datasetDigest == nil {
        reasons.append(
          "the files of the data set \(spec.dataset.words) are not here, so its digest is unknown; "
            + "set JOBCTL_DATA to the folder that holds them")
      }
    }
    var seen: Set<String> = []
    return reasons.filter { seen.insert($0).inserted }
  }
}

extension Stage {
  fileprivate func members(_ optimizer: OptimizerSpec.Name) -> [JSON.Member] {
    let noise = noiseScale(optimizer: optimizer)
    return [
      .init("batch", .integer(law.batch)), .init("ghost", .integer(ghost)),
      .init("learning_rate", .real(rate)), .init("learning_rate_end", .real(rateAtEnd)),
      .init("law", .string(law.rate.name)), .init("momentum", law.momentum?.json ?? .null),
      .init("noise_scale", noise.map { .real($0.approximate) } ?? .null),
      .init("noise_scale_exact", noise.map { .real($0.exact) } ?? .null),
      .init("samples", .integer(samples)), .init("updates", .integer(updates)),
      .init("epochs", .real(epochs)),
    ]
  }
}
