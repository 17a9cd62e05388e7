import Experiments
import Foundation
import Statistics

/// One grid's own tables.
extension GridReport {
  /// "18 runs: 17 finished, 1 diverged".
  package var outcomes: String {
    let counts = Dictionary(grouping: runs, by: \.state).mapValues(\.count)
    let order = [
      "finished", "diverged", "failed", "parked", "cancelled", "running", "waiting",
    ]
    let words = order.compactMap { state in counts[state].map { "\($0) \(state)" } }
    return "\(runs.count) runs: " + words.joined(separator: ", ")
  }

  package var sharingText: String {
    let saved = sharing.epochs > 0 ? 100 * (1 - sharing.uniqueEpochs / sharing.epochs) : 0
    return "Shared work: \(sharing.uniqueStages) stages for the \(sharing.stages) of all runs; "
      + "\(number(sharing.uniqueEpochs, 1)) epochs instead of \(number(sharing.epochs, 1)) "
      + "(\(number(saved, 1)) % saved), \(sharing.uniqueUpdates) updates instead of \(sharing.updates)."
      + (sharing.reusedStages > 0
        ? " \(sharing.reusedStages) stages were reused from earlier grids." : "")
  }

  package var runTable: TextTable {
    var table = TextTable([
      ("run", .left), ("state", .left), ("updates", .right), ("redone", .right), ("epochs", .right),
      ("test %", .right), ("best %", .right), ("test loss", .right), ("train loss", .right),
      ("seconds", .right),
    ])
    for run in runs {
      let state = run.outcome == .collapsed ? "collapsed" : run.state
      table.add([
        run.name, state, String(run.updates), String(run.updatesRedone), number(run.epochs, 1),
        percent(run.testAccuracy), percent(run.bestTestAccuracy), number(run.testLoss, 4),
        number(run.trainLoss, 4), number(run.seconds, 1),
      ])
    }
    return table
  }

  /// Whether rates are swept, and nothing varies that the sweep would average over.
  var hasSweep: Bool {
    let keys = Set(runs.flatMap { ($0.labels.members ?? []).map(\.key) })
    return Set(sweep.map(\.learningRate)).count > 1
      && keys.isSubset(of: ["learning_rate", "schedule", "optimizer", "variant", "seed"])
  }

  /// Learning rates down, schedules (or variants) across.
  package var sweepTable: TextTable {
    let labels = unique(sweep.map(sweepLabel))
    let rates = Set(sweep.map(\.learningRate)).sorted()
    var table = TextTable([("learning rate", .right)] + labels.map { ($0, .right) })
    for rate in rates {
      table.add(
        [JSON.text(of: rate)]
          + labels.map { label in
            guard
              let row = sweep.first(where: { $0.learningRate == rate && sweepLabel($0) == label })
            else { return "" }
            let deviation = row.deviation.map { " ± \(number(100 * $0, 2))" } ?? ""
            return "\(percent(row.testAccuracy))\(deviation) (\(row.finished)/\(row.runs))"
          })
    }
    return table
  }

  /// A schedule's name, with the optimizer's where the grid has several.
  private func sweepLabel(_ row: SweepRow) -> String {
    Set(sweep.map(\.optimizer)).count > 1 ? "\(row.label), \(row.optimizer)" : row.label
  }

  package var sweepCSV: String { TextTable(sweep.map(\.json)).csv }

  /// docs/JSON.md, format 1.
  package var json: JSON {
    [
      "format": 1, "grid": .string(name), "runs": .array(runs.map(\.json)),
      "summary": ["sweep": .array(sweep.map(\.json)), "sharing": sharing.json],
    ]
  }

  private func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }
}

package func number(_ value: Double?, _ places: Int) -> String {
  guard let value else { return "" }
  return String(format: "%.\(places)f", value)
}

package func percent(_ share: Double?) -> String { number(share.map { 100 * $0 }, 2) }
