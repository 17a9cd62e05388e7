import Experiments
import Statistics

/// Figures of final results: against the learning rate (the paper's appendix), against costs, against
/// constant batches, and memory against the batch.
extension Report {
  var resultFigures: [Figure] { rateFigures + costFigures + [batchFigure, memoryFigure] }

  package var figures: [Figure] {
    (curveFigures + resultFigures).map(\.drawable).filter { !$0.isEmpty }
  }

  /// Lines of settings that are alike but for some labels, no more than can be told apart.
  private func lines(
    _ chosen: [SettingResult], without keys: Set<String>
  ) -> [(label: String, settings: [SettingResult])] {
    var order: [String] = []
    var found: [String: [SettingResult]] = [:]
    for setting in chosen {
      let label = setting.label(without: keys)
      if found[label] == nil { order.append(label) }
      found[label, default: []].append(setting)
    }
    return order.map { ($0, found[$0] ?? []) }
  }

  private func bars(_ setting: SettingResult, at x: Double) -> [Double]? {
    setting.outcomes.values.map { values in
      let interval = setting.accuracy
      return [
        x, 100 * values.mean, 100 * (interval?.low ?? values.mean),
        100 * (interval?.high ?? values.mean),
      ]
    }
  }

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
    let values = lines.flatMap(\.settings).compactMap { bars($0, at: 0) }
    let (least, most) = (values.map { $0[2] }.min() ?? 0, values.map { $0[3] }.max() ?? 100)
    let step = max(most - least, 1) * 0.06
    var series: [Figure.Series] = []
    for (style, line) in lines.enumerated() {
      let sorted = line.settings.sorted { $0.learningRate < $1.learningRate }
      series.append(
        .init(
          kind: .bars, label: line.label.isEmpty ? "all" : line.label, style: style,
          rows: sorted.compactMap { bars($0, at: $0.learningRate) }))
      let lost = sorted.filter { $0.outcomes.collapsed + $0.outcomes.diverged > 0 }
      series.append(
        .init(
          kind: .crosses, label: nil, style: style,
          rows: lost.map { [$0.learningRate, least - step * Double(style + 1)] },
          words: lost.map {
            "\($0.outcomes.collapsed + $0.outcomes.diverged) of \($0.runs.count)"
          }))
    }
    let tics = Set(lines.flatMap { $0.settings.map(\.learningRate) }).sorted()
      .map { JSON.text(of: Float($0)) }.joined(separator: ", ")
    return Figure(
      name: "accuracy-by-learning-rate\(suffix)",
      title: "Final test accuracy against learning rate",
      caption:
        "Mean over the seeds that trained, with its 95 % interval. Crosses below the lines, at no "
        + "accuracy: of so many runs so many collapsed or diverged." + note,
      x: "learning rate (log scale)", y: "final test accuracy (%)",
      options: "set logscale x 2; set xtics (\(tics)); set offsets graph 0.02, graph 0.08, 0, 0; "
        + "set key tmargin center horizontal",
      series: series)
  }

  // MARK: - Costs

  private static let mostBudgets = 3

  private var costFigures: [Figure] {
    let costs: [(name: String, axis: String, value: (SettingResult) -> Double?)] = [
      ("updates", "parameter updates (log scale)", { Double($0.updates) }),
      ("seconds", "seconds of training (log scale)", \.seconds),
      ("core-seconds", "core-seconds of training (log scale)", \.coreSeconds),
    ]
    return budgets.filter { $0.settings.count > 1 }.prefix(Report.mostBudgets).enumerated().flatMap
    {
      number, budget in
      costs.map { cost in
        let suffix = number == 0 ? "" : "-\(number + 1)"
        return costFigure(
          "accuracy-by-\(cost.name)\(suffix)", cost.name, cost.axis, budget.samples,
          budget.settings.compactMap { setting in
            cost.value(setting).flatMap { $0 > 0 ? (setting, $0) : nil }
          })
      }
    }
  }

  private func costFigure(
    _ name: String, _ cost: String, _ x: String, _ samples: Int,
    _ points: [(setting: SettingResult, cost: Double)]
  ) -> Figure {
    let all = lines(points.map(\.setting), without: ["learning_rate"])
    let arms = all.prefix(Figure.mostStyles)
    var series = arms.enumerated().map { style, arm in
      Figure.Series(
        kind: .loneBars, label: arm.label.isEmpty ? "all" : arm.label, style: style,
        rows: points.filter { point in arm.settings.contains { $0.label == point.setting.label } }
          .compactMap { bars($0.setting, at: $0.cost) })
    }
    let values = points.compactMap { point in
      point.setting.outcomes.values.map { (cost: point.cost, value: 100 * $0.mean) }
    }
    let front = ParetoFront.places(of: values).map { values[$0] }.sorted { $0.cost < $1.cost }
    series.append(
      .init(
        kind: .line, label: "Pareto front", style: 7, rows: front.map { [$0.cost, $0.value] }))
    return Figure(
      name: name, title: "Final test accuracy against \(cost)",
      caption:
        "Settings that train \(samples) samples; mean over the seeds that trained, with its 95 % "
        + "interval. On the front: nothing cheaper is better. Shared stages count in full."
        + leftOut(all.count, "lines", file: "settings.csv")
        + leftOut(budgets.count, "sample budgets", most: Report.mostBudgets, file: "settings.csv"),
      x: x, y: "final test accuracy (%)",
      options:
        "set logscale x; set xtics (\(Figure.tics(points.map(\.cost)))); set autoscale xfix; "
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
    return Figure(
      name: "accuracy-by-batch", title: "Final test accuracy against a constant batch",
      caption:
        "Mean over the seeds that trained, with its 95 % interval; B_opt ∝ εN would move each "
        + "line's summit with its learning rate (Smith and Le 2017)."
        + leftOut(found.count, "lines", file: "settings.csv"),
      x: "batch size (log scale)", y: "final test accuracy (%)",
      options: "set logscale x 2; set key tmargin center horizontal",
      series: found.prefix(Figure.mostStyles).enumerated().map { style, line in
        Figure.Series(
          kind: .bars, label: line.label.isEmpty ? "all" : line.label, style: style,
          rows: line.settings.sorted { $0.batch < $1.batch }.compactMap {
            bars($0, at: Double($0.batch))
          })
      })
  }

  private var memoryFigure: Figure {
    Figure(
      name: "memory-by-batch", title: "Peak memory against the largest batch",
      caption:
        "Highest resident memory of the worker's process while the setting trained, with whatever "
        + "else it trained beside.",
      x: "largest batch size (log scale)", y: "peak memory (MiB)",
      options: "set logscale x 2; set yrange [0:*]; set key off; "
        + "set offsets graph 0.05, graph 0.05, 0, 0",
      series: [
        Figure.Series(
          kind: .points, label: "settings", style: 0,
          rows: settings.compactMap { setting in
            setting.peakMemory.map { [Double(setting.batchMost), Double($0) / 1048576] }
          })
      ])
  }
}
