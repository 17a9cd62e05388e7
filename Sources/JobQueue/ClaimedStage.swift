import Values

/// The right to write for a stage: valid as long as no newer attempt of it exists.
package struct Lease: Hashable, Sendable {
  package let stage: Int
  package let attempt: Int

  package init(stage: Int, attempt: Int) {
    self.stage = stage
    self.attempt = attempt
  }
}

/// A stage that this worker may train.
package struct ClaimedStage: Sendable {
  package let lease: Lease
  package let digest: String
  package let seed: Int
  package let spec: JSON
  package let law: JSON
  /// Sample clock at the start and at the end.
  package let start: Int
  package let end: Int
  package let startUpdates: Int
  package let updates: Int
  /// How the gradient noise is probed; null where it is not.
  package let probe: JSON
  /// Bytes that the stage was planned to take.
  package let memoryBytes: Int
  /// Where to go on from; nil at the start of training.
  package let resume: Resume?
  package let runs: [String]

  package struct Resume: Sendable {
    package let checkpoint: Int
    package let store: String
    package let file: String
    package let digest: String
    package let samples: Int
    package let isParents: Bool
  }

  init?(_ node: JSON) {
    guard let stage = node["stage"]?.intValue, let attempt = node["attempt"]?.intValue,
      let digest = node["digest"]?.stringValue, let seed = node["seed"]?.intValue,
      let spec = node["spec"], let law = node["law"],
      let start = node["start_samples"]?.intValue, let end = node["end_samples"]?.intValue,
      let startUpdates = node["start_updates"]?.intValue, let updates = node["updates"]?.intValue,
      let memory = node["memory_bytes"]?.intValue
    else { return nil }
    lease = Lease(stage: stage, attempt: attempt)
    (self.digest, self.seed, self.spec, self.law) = (digest, seed, spec, law)
    (self.start, self.end, self.startUpdates, self.updates) = (start, end, startUpdates, updates)
    (probe, memoryBytes) = (node["probe"] ?? .null, memory)
    if let from = node["resume"], !from.isNull {
      guard let checkpoint = from["checkpoint"]?.intValue, let store = from["store"]?.stringValue,
        let file = from["file"]?.stringValue, let digest = from["digest"]?.stringValue,
        let samples = from["samples"]?.intValue
      else { return nil }
      resume = Resume(
        checkpoint: checkpoint, store: store, file: file, digest: digest, samples: samples,
        isParents: from["of_parent"]?.boolValue ?? false)
    } else {
      resume = nil
    }
    runs = node["runs"]?.items?.compactMap(\.stringValue) ?? []
  }
}

/// A stage that a worker says it is training, with how far it is.
package struct Held: Sendable {
  package var lease: Lease
  package var totals: JSON

  package init(lease: Lease, totals: JSON) {
    self.lease = lease
    self.totals = totals
  }

  var json: JSON {
    .object(
      [.init("stage", .integer(lease.stage)), .init("attempt", .integer(lease.attempt))]
        + (totals.members ?? []))
  }
}
