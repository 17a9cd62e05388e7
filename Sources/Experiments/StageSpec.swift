import Values

/// What all stages of a run have in common, whichever backend trains them.
package enum StageSpec: Hashable, Sendable {
  /// For jobctl's own engine.
  case native(TrainingSpec)
  /// For a program of the user's own.
  case external(TrainerSpec)

  package var native: TrainingSpec? {
    if case .native(let spec) = self { spec } else { nil }
  }

  package var trainer: TrainerSpec? {
    if case .external(let spec) = self { spec } else { nil }
  }

  package var backend: Backend {
    switch self {
    case .native: .native
    case .external: .external
    }
  }

  package var dataset: DatasetSpec {
    switch self {
    case .native(let spec): spec.dataset
    case .external(let spec): spec.dataset
    }
  }

  package var datasetDigest: String? {
    switch self {
    case .native(let spec): spec.datasetDigest
    case .external(let spec): spec.datasetDigest
    }
  }

  package var optimizer: OptimizerSpec {
    switch self {
    case .native(let spec): spec.optimizer
    case .external(let spec): spec.optimizer
    }
  }

  package var ghost: Int {
    switch self {
    case .native(let spec): spec.ghost
    case .external(let spec): spec.ghost
    }
  }

  /// As stored in the queue and read by workers.
  package var json: JSON {
    switch self {
    case .native(let spec): spec.json
    case .external(let spec): spec.json
    }
  }

  /// As digests have it: without what says nothing of the numbers.
  package var content: JSON {
    switch self {
    case .native(let spec): spec.content.json
    case .external(let spec): spec.content
    }
  }
}
