import Statistics
import Values

/// Figures of final results: against the learning rate (the paper's appendix), against costs, against
/// constant batches, and memory against the batch.
extension Report {
  var resultFigures: [Figure] { rateFigures + costFigures + [batchFigure, memoryFigure] }

  package var figures: [Figure] {
    (curveFigures + resultFigures).map(\.drawable).filter { !$0.isEmpty }
  }

  /// Lines of settings that are alike but for some labels.
  private func lines(
    _ chosen: [SettingResult], without keys: Set<String>
  ) -> [(label: String, settings: [SettingResult])] {
    Report.grouped(chosen) { $0.label(without: keys) }.map { ($0.key, $0.values) }
  }

  private func bars(_ setting: SettingResult, at x: Double) -> [Double]? {
    setting.outcomes.values.map { values in
      let interval = setting.accuracy
      // No accuracy lies beyond these, whatever the interval of a mean does.
      return [
        x, 100 * values.mean, max(0, 100 * (interval?.low ?? values.mean)),
        min(100, 100 * (interval?.high ?? values.mean)),
      ]
    }
  }

  /// Runs that collapsed or diverged, as crosses in a row below everything else.
  private func crosses(
    _ settings: [SettingResult], style: Int, below least: Double, step: Double,
    x: (SettingResult) -> Double
  ) -> Figure.Series {
    let lost = settings.filter { $0.outcomes.collapsed + $0.outcomes.diverged > 0 }
    return .init(
      kind: .crosses, label: nil, style: style,
      rows: lost.map { [x($0), least - step * Double(style + 1)] },
      words: lost.map { "\($0.outcomes.collapsed + $0.outcomes.diverged) of \($0.runs.count)" })
  }

  /// Where the crosses of the first line are, and how far those of the next are below.
  private func floor(of settings: [SettingResult]) -> (least: Double, step: Double) {
    let values = settings.compactMap { bars($0, at: 0) }
    let (least, most) = (values.map { $0[2] }.min() ?? 0, values.map { $0[3] }.max() ?? 100)
    return (least, max(most - least, 1) * 0.06)
  }

  private static let crossCaption =
    "Crosses below the lines, at no accuracy: of so many runs so many collapsed or diverged."

  // MARK: - The learning rate

  private var rateFigures: [Figure] {
    let all = lines(settings, without: ["learning_rate"]).filter { line in
      Set(line.settings.map(\.learningRate)).count > 1
    }
    // As many lines a figure as can be told apart.
    let most = 4 * Figure.mostStyles
    return stride(from: 0, to: min(all.count, most), by: Figure.mostStyles).map { start in
      let part = Array(all[start..<min(start + Figure.mostStyles, all.count)])
      return rateFigure(
        part, suffix: start == 0 ? "" : "-\(start / Figure.mostStyles + 1)",
        note: leftOut(all.count, "lines", most: most, file: "settings.csv"))
    }
  }

  private func rateFigure(
    _ lines: [(label: String, settings: [SettingResult])], suffix: String, note: String
  ) -> Figure {
    let (least, step) = floor(of: lines.flatMap(\.settings))
    var series: [Figure.Series] = []
    for (style, line) in lines.enumerated() {
      let sorted = line.settings.sorted { $0.learningRate < $1.learningRate }
      series.append(
        .init(
          kind: .bars, label: line.label.isEmpty ? "all" : line.label, style: style,
          rows: sorted.compactMap { bars($0, at: $0.learningRate) }))
      series.append(
        crosses(sorted, style: style, below: least, step: step) { $0.learningRate })
    }
    let tics = Set(lines.flatMap { $0.settings.map(\.learningRate) }).sorted()
      .map { JSON.text(of: Float($0)) }.joined(separator: ", ")
    return Figure(
      name: "accuracy-by-learning-rate\(suffix)",
      title: "Final test accuracy against learning rate",
      caption:
        "Mean over the seeds that trained, with its 95 % interval, cut at 0 and 100. "
        + Report.crossCaption + note,
      x: "learning rate (log scale)", y: "final test accuracy (%)",
      options: "set logscale x 2; set xtics (\(tics)); set offsets graph 0.02, graph 0.08, 0, 0; "
        + "set key tmargin center horizontal",
      series: series)
  }

  // MARK: - Costs

  private static let mostBudgets = 3

  private var costFigures: [Figure] {
    let costs: [(name: String, axis: String, value: (SettingResult) -> Double?)] = [
      ("updates", "parameter updates", { Double($0.updates) }),
      ("seconds", "seconds of training", \.seconds),
      ("core-seconds", "core-seconds of training", \.coreSeconds),
    ]
    // Times of a shared machine are not compared.
    let comparable = timesAreShared == nil ? costs : Array(costs.prefix(1))
    let budgets = budgets
    let shared = budgets.filter { $0.settings.count > 1 }
    let alone = budgets.count - shared.count
    let note =
      (timesAreShared.map { " There is no figure by seconds: \($0)." } ?? "")
      + (alone > 0 ? " \(alone) settings train numbers of samples that no other does." : "")
      + leftOut(budgets.count, "sample budgets", most: Report.mostBudgets, file: "settings.csv")
    return shared.prefix(Report.mostBudgets).enumerated().flatMap { number, budget in
      comparable.map { cost in
        let suffix = number == 0 ? "" : "-\(number + 1)"
        return costFigure(
          "final-accuracy-by-\(cost.name)\(suffix)", cost.name, cost.axis, budget.samples,
          budget.settings.compactMap { setting in
            cost.value(setting).flatMap { $0 > 0 ? (setting, $0) : nil }
          }, note: note)
      }
    }
  }

  private func costFigure(
    _ name: String, _ cost: String, _ x: String, _ samples: ClosedRange<Int>,
    _ points: [(setting: SettingResult, cost: Double)], note: String
  ) -> Figure {
    let all = Report.grouped(points) { $0.setting.label(without: ["learning_rate"]) }
    var series = all.prefix(Figure.mostStyles).enumerated().map { style, arm in
      Figure.Series(
        kind: .loneBars, label: arm.key.isEmpty ? "all" : arm.key, style: style,
        rows: arm.values.compactMap { bars($0.setting, at: $0.cost) })
    }
    let others = all.dropFirst(Figure.mostStyles).flatMap(\.values)
    series.append(
      .init(
        kind: .points, label: "others", style: Figure.mostStyles - 1,
        rows: others.compactMap { point in
          point.setting.outcomes.values.map { [point.cost, 100 * $0.mean] }
        }))
    let whole = points.filter(\.setting.isComplete).compactMap { point in
      point.setting.outcomes.values.map { (cost: point.cost, value: 100 * $0.mean) }
    }
    let front = ParetoFront.places(of: whole).map { whole[$0] }.sorted { $0.cost < $1.cost }
    series.append(
      .init(kind: .rings, label: "Pareto front", style: 0, rows: front.map { [$0.cost, $0.value] }))
    let costs = points.map(\.cost)
    // A logarithmic axis over less than this has no place for numbers.
    let isWide = (costs.max() ?? 0) > 3 * (costs.min() ?? 0)
    let count =
      samples.lowerBound == samples.upperBound
      ? "\(samples.lowerBound)" : "\(samples.lowerBound) to \(samples.upperBound)"
    return Figure(
      name: name, title: "Final test accuracy against \(cost)",
      caption:
        "Settings that train \(count) samples; mean over the seeds that trained, with its 95 % "
        + "interval, cut at 0 and 100. Ringed, the front: of settings whose runs all trained, nothing "
        + "cheaper is better. Shared stages count in full."
        + (cost == "updates" ? "" : " Time depends on what ran beside.")
        + (others.isEmpty ? "" : " Of \(all.count) lines the first \(Figure.mostStyles) are named.")
        + note,
      x: isWide ? x + " (log scale)" : x, y: "final test accuracy (%)",
      options: (isWide
        ? "set logscale x; set xtics (\(Figure.tics(costs))); set autoscale xfix; " : "")
        + "set offsets graph 0.05, graph 0.05, 0, 0; set key tmargin center horizontal",
      series: series)
  }

  // MARK: - Batches

  /// Where settings differ in a constant batch: is the best one proportional to the learning rate?
  private var batchFigure: Figure {
    let constant = settings.filter { $0.hasConstantBatch && $0.schedule == "constant" }
    let found = lines(constant, without: ["size", "batch.size", "batch"]).filter {
      Set($0.settings.map(\.batch)).count > 2
    }
    let (least, step) = floor(of: found.flatMap(\.settings))
    return Figure(
      name: "accuracy-by-batch", title: "Final test accuracy against a constant batch",
      caption:
        "Mean over the seeds that trained, with its 95 % interval, cut at 0 and 100; B_opt ∝ εN would "
        + "move each line's summit with its learning rate (Smith and Le 2017). "
        + Report.crossCaption + leftOut(found.count, "lines", file: "settings.csv"),
      x: "batch size (log scale)", y: "final test accuracy (%)",
      options: "set logscale x 2; set key tmargin center horizontal",
      series: found.prefix(Figure.mostStyles).enumerated().flatMap { style, line in
        let sorted = line.settings.sorted { $0.batch < $1.batch }
        return [
          Figure.Series(
            kind: .bars, label: line.label.isEmpty ? "all" : line.label, style: style,
            rows: sorted.compactMap { bars($0, at: Double($0.batch)) }),
          crosses(sorted, style: style, below: least, step: step) { Double($0.batch) },
        ]
      })
  }

  private var memoryFigure: Figure {
    let stages = settings.flatMap(\.stages)
    func points(_ label: String, _ style: Int, _ value: (GridReport.StageRow) -> Int?)
      -> Figure.Series
    {
      let found = stages.compactMap { stage in value(stage).map { (stage.batch, $0) } }
      return Figure.Series(
        kind: .points, label: label, style: style,
        rows: Report.grouped(found) { "\($0.0) \($0.1)" }.map {
          [Double($0.values[0].0), Double($0.values[0].1) / 1048576]
        })
    }
    let highest = settings.compactMap(\.peakMemory).max()
    return Figure(
      name: "memory-by-batch", title: "Memory against the batch",
      caption:
        "Planned: what a worker must have free to train a stage. Measured: the highest resident memory of "
        + "workers with one slot, stage by stage; with several slots, stages have one peak between them."
        + (highest.map { " The highest of any worker was \($0 >> 20) MiB." } ?? ""),
      x: "batch size (log scale)", y: "memory (MiB)",
      options: "set logscale x 2; set yrange [0:*]; set key tmargin center horizontal; "
        + "set offsets graph 0.05, graph 0.05, 0, 0",
      series: [
        points("planned", 0) { $0.memory }, points("measured", 1) { $0.memoryMeasured },
      ])
  }
}
