import Foundation
import Postgres
import Statistics
import Tables
import Values

/// One grid's own tables.
extension GridReport {
  /// "18 runs: 16 finished, 1 collapsed, 1 diverged".
  package var outcomes: String {
    let counts = Dictionary(grouping: runs, by: \.stateOrCollapse).mapValues(\.count)
    let order = [
      "finished", "collapsed", "diverged", "failed", "parked", "cancelled", "running", "waiting",
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
      table.add([
        run.name, run.stateOrCollapse, String(run.updates), String(run.updatesRedone),
        number(run.epochs, 1),
        percent(run.testAccuracy), percent(run.bestTestAccuracy), number(run.testLoss, 4),
        number(run.trainLoss, 4), number(run.seconds, 1),
      ])
    }
    return table
  }

  /// Runs that differ in the seed alone, in file order; `keys` as `SettingResult` has them.
  func settings(interval: Report.IntervalMethod, filling keys: [String]? = nil) -> [SettingResult] {
    Report.grouped(runs, by: \.setting).map { name, runs in
      SettingResult(name, runs, of: self, filling: keys, interval: interval)
    }
  }

  /// docs/JSON.md, format 1.
  package var json: JSON {
    [
      "format": 1, "grid": .string(name), "runs": .array(runs.map(\.json)),
      "summary": [
        "sweep": .array(settings(interval: .student).map(\.json)), "sharing": sharing.json,
      ],
    ]
  }
}

extension GridReport.RunRow {
  /// Its state, but for runs that ended no better than guessing.
  package var stateOrCollapse: String { outcome == .collapsed ? "collapsed" : state }
}

extension Report {
  /// Of a grid that sweeps learning rates: rates down, settings that are alike but for the rate across.
  func sweepTable(of grid: GridReport) -> TextTable? {
    let own = settings.filter { $0.grid == grid.name }
    let rates = Set(own.map(\.learningRate)).sorted()
    let lines = Report.grouped(own, by: { $0.label(without: ["learning_rate", "grid"]) })
    guard rates.count > 1, lines.count <= Report.mostLines else { return nil }
    var table = TextTable(
      [("learning rate", .right)]
        + lines.map { ($0.key.isEmpty ? "test % [interval]" : $0.key, .right) })
    for rate in rates {
      table.add(
        [JSON.text(of: rate)]
          + lines.map { line in
            line.values.first { $0.learningRate == rate }.map { setting in
              setting.isComplete
                ? setting.accuracyText
                : "\(setting.accuracyText) \(setting.outcomes.trained)"
            } ?? ""
          })
    }
    return table
  }

  /// More columns than these are better read in settings.csv.
  private static let mostLines = 8
}
