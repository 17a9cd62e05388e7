import Experiments
import Foundation
import Statistics
import Tables
import Values

/// The report in words and tables: for terminals, CSV and pages.
extension Report {
  /// Of more runs than this a terminal gets settings only.
  private static let mostRuns = 40

  package var text: String {
    var parts = grids.map { "Grid \($0.name): \($0.outcomes)" }
    if !verdict.isEmpty { parts.append(verdict.map(printable).joined(separator: "\n")) }
    parts.append("Settings: mean final test accuracy in percent, with its 95 % interval\n")
    parts[parts.count - 1] += settingTable(sparklines: true).text
    if hasDifferences {
      parts.append(comparisonTitle + "\n" + comparisonTable.text)
    }
    for grid in grids {
      guard let table = sweepTable(of: grid) else { continue }
      let name = grids.count > 1 ? ", grid \(grid.name)" : ""
      parts.append("Final test accuracy by learning rate\(name)\n" + table.text)
    }
    if let paperTable {
      parts.append("Section 5.2 of the paper, whose rows are single runs\n" + paperTable.text)
    }
    for grid in grids {
      parts.append(
        grid.runs.count <= Report.mostRuns
          ? grid.runTable.text : "jobctl show \(grid.name) lists its \(grid.runs.count) runs.")
      parts.append(grid.sharingText)
      if let classes = grid.classText { parts.append(classes) }
    }
    return (parts + [notes.joined(separator: "\n")]).joined(separator: "\n\n")
  }

  package func settingTable(sparklines: Bool = false) -> TextTable {
    var columns: [(String, TextTable.Side)] = [
      ("setting", .left), ("ε", .right), ("m", .right), ("B", .right), ("updates", .right),
      ("trained", .left), ("test % [interval]", .left), ("seconds", .right),
      ("core-seconds", .right), ("MiB", .right),
    ]
    if sparklines { columns.append(("accuracy by epoch", .left)) }
    var table = TextTable(columns)
    let isShared = timesAreShared != nil
    for setting in settings {
      var cells: [String] = [
        setting.label, JSON.text(of: Float(setting.learningRate)),
        setting.momentum.map { JSON.text(of: Float($0)) } ?? "",
        setting.hasConstantBatch
          ? String(setting.batch) : "\(setting.batch) to \(setting.batchMost)",
        String(setting.updates), setting.counts, setting.accuracyText,
        isShared ? "" : number(setting.seconds, 1),
        isShared ? "" : number(setting.coreSeconds, 1),
        setting.peakMemory.map { String($0 >> 20) } ?? "",
      ]
      if sparklines { cells.append(sparkline(setting.curve.compactMap(\.testAccuracy.mean))) }
      table.add(cells)
    }
    return table
  }

  /// Says what the table's intervals are.
  var comparisonTitle: String {
    "Differences of final test accuracy, in points; equivalent within "
      + "\(JSON.text(of: Float(100 * options.margin))): the 90 % interval lies inside (two one-sided tests "
      + "at 5 %, each pair by itself); not: the interval lies outside that is simultaneous at 95 % over all "
      + "\(testedPairs) comparisons"
  }

  /// Where no comparison could be made the notes say why, once.
  var hasDifferences: Bool {
    comparisons.contains { if case .success = $0.test { true } else { false } }
  }

  package var comparisonTable: TextTable {
    var table = TextTable(
      [
        ("setting", .left), ("minus", .left), ("difference [95 % interval]", .left), ("p", .right),
        ("p, Holm", .right), ("by", .left), ("[90 % interval]", .left),
        ("[simultaneous]", .left), ("equivalent", .left), ("p", .right),
      ])
    for comparison in comparisons {
      let (subject, reference) = (settings[comparison.subject], settings[comparison.reference])
      let names = [subject.label, reference[comparison.axis] ?? reference.label]
      switch comparison.test {
      case .failure:
        table.add(names + ["not compared"] + Array(repeating: "", count: 7))
      case .success(let test):
        func range(_ interval: Interval?) -> String {
          interval.map { "[\(number(100 * $0.low, 2)), \(number(100 * $0.high, 2))]" } ?? ""
        }
        table.add(
          names + [
            number(100 * test.difference, 2)
              + (test.estimate.map { " " + range($0.interval().ofDifferences) } ?? ""),
            test.estimate.map { Report.text(p: $0.twoSidedP()) } ?? "no scatter",
            comparison.adjustedP.map(Report.text(p:)) ?? "",
            test.words
              + (subject.isComplete && reference.isComplete
                ? "" : " of \(max(subject.runs.count, reference.runs.count))"),
            range(comparison.equivalence?.interval.ofDifferences), range(comparison.simultaneous),
            words(of: comparison), comparison.equivalence.map { Report.text(p: $0.p) } ?? "",
          ])
      }
    }
    return table
  }

  private func words(of comparison: Comparison) -> String {
    guard let isEquivalent = comparison.isEquivalent else { return "not tested" }
    return isEquivalent ? "yes" : comparison.isDifferent ? "no" : "not shown"
  }

  /// Eight heights between the least and the most.
  private func sparkline(_ values: [Double]) -> String {
    guard let least = values.min(), let most = values.max(), values.count > 1 else { return "" }
    let step = max(1, (values.count + 29) / 30)
    let heights = Array("▁▂▃▄▅▆▇█")
    let marks = stride(from: step - 1, to: values.count, by: step).map { place -> Character in
      let share = most > least ? (values[place] - least) / (most - least) : 1
      return heights[min(7, Int(share * 8))]
    }
    return "\(percent(least)) \(String(marks)) \(percent(most))"
  }

  // MARK: - Files

  /// One row a run, every number in full; the grid first, where there are several.
  package var runCSV: String {
    csv(
      grids.flatMap { grid in
        grid.runs.map { run in
          guard grids.count > 1 else { return run.json }
          return .object([.init("grid", .string(grid.name))] + (run.json.members ?? []))
        }
      })
  }

  package var settingCSV: String {
    csv(settings.map(\.json))
  }

  package var curveCSV: String {
    // Cells at once: there may be a hundred thousand points.
    var table = TextTable(
      [
        "grid", "setting", "epoch", "samples", "updates", "runs", "test_accuracy",
        "test_accuracy_deviation", "train_loss", "train_loss_deviation", "gradient_noise_scale",
      ].map { ($0, .left) })
    func cell(_ value: Double?) -> String { value.map { JSON.real($0).encoded() } ?? "" }
    for setting in settings {
      for point in setting.curve {
        table.add([
          setting.grid, setting.name, cell(point.epoch), "\(point.samples)", "\(point.updates)",
          "\(point.runs)", cell(point.testAccuracy.mean), cell(point.testAccuracy.deviation),
          cell(point.trainLoss.mean), cell(point.trainLoss.deviation), cell(point.gradientNoise),
        ])
      }
    }
    return table.csv
  }

  private func csv(_ rows: [JSON]) -> String { TextTable(rows).csv }

  /// docs/JSON.md, format 1. Of one grid it has all that a grid's report had before.
  package var json: JSON { json(figures: figures) }

  func json(figures: [Figure]) -> JSON {
    var members: [JSON.Member] = [.init("format", 1)]
    if grids.count == 1 {
      members += (grids[0].json.members ?? []).filter { $0.key != "format" }
    } else {
      members.append(.init("grids", .array(grids.map(\.json))))
    }
    members += [
      .init("figures", .array(figures.map { .string($0.name) })),
      .init("margin", .real(options.margin)),
      .init("times_not_comparable", timesAreShared.map(JSON.string) ?? .null),
      .init("interval", .string(options.interval.rawValue)),
      .init("verdict", .array(verdict.map(JSON.string))),
      .init("notes", .array(notes.map(JSON.string))),
      .init("settings", .array(settings.map(\.json))),
      .init("comparisons", .array(comparisons.map(json(of:)))),
      .init("groups", .array(groups.map(json(of:)))),
      .init("breaks", .array(breaks.map(json(of:)))), .init("best", .array(bests.map(json(of:)))),
      .init("provenance", .array(grids.map(\.provenanceJSON))),
    ]
    return .object(members)
  }

  private func json(of group: Group) -> JSON {
    var members: [JSON.Member] = [
      .init("axis", .string(group.axis)), .init("label", .string(group.label)),
      .init("settings", .array(group.arms.map { .string(settings[$0].label) })),
    ]
    switch group.equivalence {
    case nil: break
    case .failure(let refusal): members.append(.init("refused", .string(refusal.reason)))
    case .success(let test):
      members += [
        .init("equivalent", .bool(test.isShown)), .init("equivalence_p", .real(test.all.p)),
        .init("equivalence_p_holm", .real(test.adjustedP)),
        .init("has_different_pair", .bool(test.differentPair != nil)),
      ]
    }
    return .object(members)
  }

  private func json(of line: RateBreak) -> JSON {
    var members: [JSON.Member] = [.init("label", .string(line.label))]
    switch line.result {
    case .failure(let reason): members.append(.init("refused", .string(reason.description)))
    case .success(let found):
      members += [
        .init("chosen", .real(found.chosen)), .init("chosen_on", .string(found.selection.rawValue)),
        .init("largest_not_inferior", .real(found.largest)),
        .init("first_that_may_be", found.end.map { .real($0.rate) } ?? .null),
        .init("missing", .integer(line.missing)),
      ]
    }
    return .object(members)
  }

  private func json(of best: BestSetting) -> JSON {
    let next = best.rivals.first
    return [
      "setting": .string(settings[best.place].label), "pairs": .integer(best.pairs),
      "next": next.map { .string(settings[$0.place].label) } ?? .null,
      "difference": next.map { .real($0.difference) } ?? .null,
      "low": next?.interval.map { .real($0.low) } ?? .null,
      "high": next?.interval.map { .real($0.high) } ?? .null,
      "surely_lower": .integer(best.rivals.count { $0.isLower }),
      "compared": .integer(best.rivals.count),
      "fewer_updates": .array(best.cheaper.map { .string(settings[$0.place].label) }),
    ]
  }

  private func json(of comparison: Comparison) -> JSON {
    var members: [JSON.Member] = [
      .init("setting", .string(settings[comparison.subject].label)),
      .init("minus", .string(settings[comparison.reference].label)),
    ]
    switch comparison.test {
    case .failure(let reason): members.append(.init("refused", .string(reason.description)))
    case .success(let test):
      let interval = test.estimate?.interval().ofDifferences
      members += [
        .init("difference", .real(test.difference)),
        .init("low", interval.map { .real($0.low) } ?? .null),
        .init("high", interval.map { .real($0.high) } ?? .null),
        .init("simultaneous_low", comparison.simultaneous.map { .real($0.low) } ?? .null),
        .init("simultaneous_high", comparison.simultaneous.map { .real($0.high) } ?? .null),
        .init(
          "equivalence_low",
          comparison.equivalence.map { .real($0.interval.ofDifferences.low) } ?? .null),
        .init(
          "equivalence_high",
          comparison.equivalence.map { .real($0.interval.ofDifferences.high) } ?? .null),
        .init("p", test.estimate.map { .real($0.twoSidedP()) } ?? .null),
        .init("p_holm", comparison.adjustedP.map(JSON.real) ?? .null),
        .init("equivalence_p", comparison.equivalence.map { .real($0.p) } ?? .null),
        .init("equivalence_p_holm", comparison.adjustedEquivalenceP.map(JSON.real) ?? .null),
        .init("equivalent", comparison.isEquivalent.map(JSON.bool) ?? .null),
      ]
    }
    return .object(members)
  }
}

extension SettingResult {
  package var json: JSON {
    func real(_ value: Double?) -> JSON { value.map(JSON.real) ?? .null }
    return [
      "grid": .string(grid), "setting": .string(name), "learning_rate": .real(learningRate),
      "momentum": real(momentum), "batch": .integer(batch), "batch_most": .integer(batchMost),
      "schedule": .string(schedule), "optimizer": .string(optimizer),
      "variant": runs.first?.variant.map(JSON.string) ?? .null,
      "updates": .integer(updates), "samples": .integer(samples), "runs": .integer(runs.count),
      "finished": .integer(outcomes.finished), "collapsed": .integer(outcomes.collapsed),
      "diverged": .integer(outcomes.diverged), "failed": .integer(outcomes.failed),
      "missing": .integer(outcomes.missing), "test_accuracy": real(outcomes.values?.mean),
      "test_accuracy_deviation": real(outcomes.values?.deviation),
      "test_accuracy_low": real(accuracy?.low), "test_accuracy_high": real(accuracy?.high),
      "validation_accuracy": real(validationAccuracy),
      "seconds": real(seconds), "core_seconds": real(coreSeconds),
      "peak_memory_bytes": peakMemory.map(JSON.integer) ?? .null,
    ]
  }
}
