import Values

/// The text that a stage's digest is taken of: canonical JSON of all that determines the state at the
/// stage's end. Stages that differ in the seed alone share it, with gaps where the seed goes.
///
/// The queue hashes this text itself and takes from it what the stage trains
/// (sql/functions/internal_identity.sql). So no submitter can store one stage under another's digest.
package struct StageIdentity: Hashable, Sendable {
  /// Stands where the seed goes. No text of a grid may hold it (`Shape.text`).
  package static let place = "\u{7F}"

  /// With `place` where the seed goes.
  package let text: String

  /// `spec` is a training spec's document without the path of a file (`TrainingSpec.content`); `laws`
  /// lead from sample 0 to the stage's end, each with the sample clock at its own end. Stages with an
  /// owner are shared with no other run.
  package init(
    _ backend: Backend = .native, spec: JSON, laws: [(law: Law, until: Int)], owner: String? = nil
  ) {
    var members: [JSON.Member] = [
      .init("numerics_version", .integer(backend.numericsVersion)),
      .init("backend", .string(backend.rawValue)),
      .init("preparation", .integer(backend.preparation)),
      .init("training", spec.setting(["seed"], to: .number(StageIdentity.place))),
      .init(
        "laws",
        .array(laws.map { ["law": $0.law.identity, "until": .integer($0.until)] })),
    ]
    if let owner { members.append(.init("owner", .string(owner))) }
    text = JSON.object(members).encoded(sorted: true)
  }

  /// Names the state at the stage's end.
  package func digest(seed: Int) -> String {
    Digest.sha256(of: text.replacing(StageIdentity.place, with: String(seed)))
  }
}
