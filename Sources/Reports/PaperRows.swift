import Tables

/// What the paper printed for the rows that our grids name as it does.
///
/// S. L. Smith, P.-J. Kindermans, C. Ying, Q. V. Le, ICLR 2018: section 5.2, CIFAR-10 with WRN-16-4,
/// single runs.
struct PaperRow {
  let schedule: String
  let start: String
  let updates: String
  let accuracy: String

  /// By the variant's name in examples/section-5.2.json.
  static let section52: [String: PaperRow] = [
    "original": PaperRow(
      schedule: "decaying learning rate", start: ".1, .9, 128", updates: "about 80,000",
      accuracy: "94.3"),
    "increasing-batch": PaperRow(
      schedule: "increasing batch", start: ".1, .9, 128", updates: "about 29,000", accuracy: "94.4"),
    "increased-learning-rate": PaperRow(
      schedule: "increased initial learning rate", start: ".5, .9, 640", updates: "under 6,500",
      accuracy: "94.5"),
    "increased-momentum": PaperRow(
      schedule: "increased initial momentum", start: ".5, .98, 3200", updates: "under 2,500",
      accuracy: "93.3"),
  ]
}

extension Report {
  /// The table of section 5.2 beside our own; nil where no setting is one of its rows.
  package var paperTable: TextTable? {
    let rows = settings.compactMap { setting in
      setting["variant"].flatMap { PaperRow.section52[$0] }.map { (setting, $0) }
    }
    guard !rows.isEmpty else { return nil }
    var table = TextTable([
      ("schedule", .left), ("ε, m, B", .left), ("updates", .right), ("trained", .left),
      ("test % [interval]", .left), ("epochs lost", .right),
      ("the paper's ε, m, B", .left), ("the paper's updates", .right), ("the paper's %", .right),
    ])
    for (setting, paper) in rows {
      let momentum = number(setting.momentum, 3)
      table.add([
        paper.schedule, "\(number(setting.learningRate, 3)), \(momentum), \(setting.batch)",
        String(setting.updates), setting.counts, setting.accuracyText,
        number(setting.epochsLost, 2), paper.start, paper.updates, paper.accuracy,
      ])
    }
    return table
  }
}
