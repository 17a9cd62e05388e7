import Experiments
import Values

/// A stage as its program gets it: the content of the file that JOBCTL_STAGE names (docs/TRAINERS.md).
package struct TrainerStage: Sendable {
  package var spec: TrainerSpec
  package var seed: Int
  package var law: Law
  /// Sample clock at the start and at the end; both are update boundaries.
  package var start: Int
  package var end: Int
  /// Updates of the run before this stage.
  package var startUpdates: Int
  /// Names of runs that want it.
  package var runs: [String]
  package var digest: String

  package init(
    spec: TrainerSpec, seed: Int, law: Law, start: Int, end: Int, startUpdates: Int,
    runs: [String], digest: String
  ) {
    (self.spec, self.seed, self.law) = (spec, seed, law)
    (self.start, self.end, self.startUpdates) = (start, end, startUpdates)
    (self.runs, self.digest) = (runs, digest)
  }

  /// Samples that are normalized together.
  package var ghost: Int { min(spec.ghost, law.batch) }

  /// Updates since the start of training, at an update boundary.
  package func updates(at samples: Int) -> Int { startUpdates + (samples - start) / law.batch }

  /// Why no planner makes this stage, if none does: a submitter may have sent it without one.
  package var flaw: String? {
    if let problem = law.problem(for: spec.optimizer.name) { return problem }
    guard 0 <= start, start < end, end <= 1 << 53, 0...end ~= startUpdates,
      (end - start).isMultiple(of: law.batch)
    else { return "it goes from sample \(start) to \(end) in updates of \(law.batch)" }
    guard law.batch < spec.ghost || law.batch.isMultiple(of: spec.ghost) else {
      return "its batch of \(law.batch) is no multiple of the ghost batch \(spec.ghost)"
    }
    guard (end - start) / law.batch <= TrainerStage.mostUpdates else {
      return "it has \((end - start) / law.batch) updates"
    }
    return nil
  }

  /// A file with the rate of every update is no larger.
  private static let mostUpdates = 100_000_000

  /// `resume` is the sample clock of the state that training goes on from.
  package func document(resume: Int?, data: [String], output: String) -> JSON {
    var members: [JSON.Member] = [
      .init("contract", .integer(TrainerSpec.contractVersion)), .init("digest", .string(digest)),
      .init("runs", .array(runs.map(JSON.string))), .init("seed", .integer(seed)),
      .init("parameters", spec.parameters), .init("data", .array(data.map(JSON.string))),
      .init("samples_per_epoch", .integer(spec.samplesPerEpoch)),
      .init("batch", .integer(law.batch)), .init("ghost", .integer(ghost)),
      .init("momentum", law.momentum.map { .real($0.float) } ?? .null),
      .init("optimizer", spec.optimizer.json),
      .init("start", ["samples": .integer(start), "updates": .integer(startUpdates)]),
      .init("end", ["samples": .integer(end), "updates": .integer(updates(at: end))]),
      .init("learning_rates", .array(rates)), .init("output", .string(output)),
    ]
    members.append(
      .init(
        "resume",
        resume.map { ["samples": .integer($0), "updates": .integer(updates(at: $0))] } ?? .null))
    return .object(members)
  }

  /// From the stage's start: so many updates, and their rate.
  private var rates: [JSON] {
    guard !law.rate.isConstant else {
      return [[.integer((end - start) / law.batch), .real(law.rate.base.float)]]
    }
    var runs: [(count: Int, rate: Float)] = []
    for sample in stride(from: start, to: end, by: law.batch) {
      let rate = law.rate.value(at: sample)
      if runs.last?.rate == rate { runs[runs.count - 1].count += 1 } else { runs.append((1, rate)) }
    }
    return runs.map { [.integer($0.count), .real($0.rate)] }
  }

  /// The command with the stage's values in place of its placeholders.
  package func command(output: String) throws(Placeholder.Unknown) -> [String] {
    var words: [String] = []
    for word in spec.command {
      words.append(
        try Placeholder.filled(word, spec.parameters) { value(of: $0, output: output) })
    }
    return words
  }

  private func value(of name: String, output: String) -> String {
    switch name {
    case "seed": return String(seed)
    case "learning_rate": return JSON.text(of: law.rate.value(at: start))
    case "learning_rate_end": return JSON.text(of: law.rate.value(at: end - law.batch))
    case "momentum": return law.momentum.map { JSON.text(of: $0.float) } ?? "0"
    case "batch": return String(law.batch)
    case "ghost": return String(ghost)
    case "samples": return String(end - start)
    case "updates": return String((end - start) / law.batch)
    case "epochs": return JSON.text(of: Double(end - start) / Double(spec.samplesPerEpoch))
    case "output": return output
    default:
      let key = String(name.dropFirst("parameters.".count))
      let parameter = spec.parameters[key] ?? .null
      return parameter.stringValue ?? parameter.encoded()
    }
  }
}
