import Experiments
import Statistics
import Values

/// Figures over the course of training: the schedule itself (the paper's figure 1), curves against
/// epochs and updates (its figures 2 to 5), and the noise scale.
extension Report {
  /// Of more groups than this the curves are left to curves.csv.
  private static let mostGroups = 12

  var curveFigures: [Figure] {
    let drawn =
      groups.isEmpty
      ? [Group(axis: "", label: "", arms: Array(settings.indices), equivalence: nil)] : groups
    var figures = drawn.first.map { scheduleFigures(arms(of: $0), at: $0.label) } ?? []
    for (number, group) in drawn.prefix(Report.mostGroups).enumerated() {
      let suffix = drawn.count > 1 ? "-\(number + 1)" : ""
      figures += curves(
        arms(of: group), suffix: suffix, at: group.label,
        note: leftOut(group.arms.count, "settings")
          + leftOut(drawn.count, "groups", most: Report.mostGroups))
    }
    return figures
  }

  /// What a caption says of more than can be drawn.
  func leftOut(
    _ count: Int, _ what: String, most: Int = Figure.mostStyles, file: String = "curves.csv"
  ) -> String {
    count > most ? " Of \(count) \(what) the first \(most) are drawn; \(file) has all." : ""
  }

  private func arms(of group: Group) -> [(label: String, setting: SettingResult)] {
    group.arms.prefix(Figure.mostStyles).map { place in
      let setting = settings[place]
      return (setting[group.axis] ?? setting.label, setting)
    }
  }

  // MARK: - The plan

  private func scheduleFigures(
    _ arms: [(label: String, setting: SettingResult)], at place: String
  ) -> [Figure] {
    func paths(_ value: (GridReport.StageRow, Law, Int) -> Double?) -> [Figure.Series] {
      arms.enumerated().map { style, arm in
        let rows = arm.setting.stages.flatMap { $0.points(value) }
        return Figure.Series(kind: .path, label: arm.label, style: style, rows: rows)
      }
    }
    let range = epochRange(arms.flatMap(\.setting.stages).map(\.lastEpoch))
    let at = place.isEmpty ? "" : " At \(place)."
    let measured = arms.enumerated().map { style, arm in
      Figure.Series(
        kind: .points, label: "\(arm.label), measured", style: style,
        rows: arm.setting.curve.compactMap { point in
          point.gradientNoise.map { [point.epoch, $0] }
        }.filter { $0[1] > 0 })
    }
    return [
      Figure(
        name: "learning-rate-by-epoch", title: "Learning rate against epochs",
        caption: "As planned: the law that trains, update by update; all seeds have the same.\(at)",
        x: "epochs", y: "learning rate (log scale)",
        options: range + "set logscale y; set format y '%g'; set key tmargin center horizontal",
        series: paths { _, law, sample in Double(law.rate.value(at: sample)) }),
      Figure(
        name: "batch-by-epoch", title: "Batch size against epochs",
        caption: "As planned, stage by stage.\(at)", x: "epochs", y: "batch size (log scale)",
        options: range + "set logscale y 2; set key tmargin center horizontal",
        series: paths { _, law, _ in Double(law.batch) }),
      Figure(
        name: "noise-scale-by-epoch", title: "Noise scale against epochs",
        caption: "Lines: planned, g = εN/(B(1−m)). Marks: the gradient noise scale tr(Σ)/|G|² as "
          + "measured, in samples, of means over updates and seeds (McCandlish et al. 2018); the two "
          + "are different quantities. No mark: one ghost batch an update and no probe, or a squared "
          + "gradient that was not measured to be above zero.\(at)",
        x: "epochs", y: "noise scale (log scale)",
        options: range + "set logscale y; set format y '%g'; set key tmargin center horizontal",
        series: paths { stage, law, sample in
          guard stage.hasNoiseScale else { return nil }
          return law.noiseScale(at: sample, samples: Int(nearest: stage.samplesPerEpoch))
            .approximate
        } + measured),
    ]
  }

  /// An axis of epochs ends where the runs end.
  private func epochRange(_ ends: [Double]) -> String {
    guard let end = ends.max(), end > 0 else { return "" }
    return "set xrange [0:\(end)]; "
  }

  // MARK: - Curves

  private func curves(
    _ arms: [(label: String, setting: SettingResult)], suffix: String, at place: String,
    note: String
  ) -> [Figure] {
    let at = place.isEmpty ? "" : ", at \(place)"
    let isEven = arms.allSatisfy { Set($0.setting.curve.map(\.runs)).count <= 1 }
    let caption =
      "Mean over seeds with the 95 % interval of the mean (Student's t), each point at its "
      + "own sample count. Runs that collapsed, diverged or failed are left out, unless all did."
      + (isEven ? "" : " Points differ in how many runs have come so far: see curves.csv.") + note
    let accuracyCaption = caption + " Intervals are cut at 0 and 100 %."
    let lossCaption =
      caption + " Where an interval reaches down to zero it is drawn to half of the least mean."
    let epochs: (GridReport.CurvePoint) -> Double = { $0.epoch }
    let updates: (GridReport.CurvePoint) -> Double = { Double($0.updates) }
    let points = arms.flatMap { $0.setting.curve }
    let epochRange = epochRange(points.map(\.epoch))
    let updateRange = points.map(\.updates).max().map { "set xrange [0:\($0)]; " } ?? ""
    let lossTics = Figure.tics(arms.flatMap { $0.setting.curve.compactMap(\.trainLoss.mean) })
    return [
      Figure(
        name: "accuracy-by-epoch\(suffix)", title: "Test accuracy against epochs\(at)",
        caption: accuracyCaption, x: "epochs", y: "test accuracy (%)",
        options: epochRange + "set key bottom right",
        series: series(arms, x: epochs, y: \.testAccuracy, scale: 100)),
      Figure(
        name: "accuracy-by-update\(suffix)", title: "Test accuracy against updates\(at)",
        caption: accuracyCaption, x: "parameter updates", y: "test accuracy (%)",
        options: updateRange + "set key bottom right",
        series: series(arms, x: updates, y: \.testAccuracy, scale: 100)),
      Figure(
        name: "loss-by-epoch\(suffix)", title: "Training loss against epochs\(at)",
        caption: lossCaption, x: "epochs", y: "training loss (log scale)",
        options: epochRange + "set logscale y; set ytics (\(lossTics)); set autoscale yfix; "
          + "set offsets 0, 0, graph 0.05, graph 0.05; set key top right",
        series: series(arms, x: epochs, y: \.trainLoss, scale: 1, isLogarithmic: true)),
      Figure(
        name: "loss-by-update\(suffix)", title: "Training loss against updates\(at)",
        caption: lossCaption, x: "parameter updates", y: "training loss (log scale)",
        options: updateRange + "set logscale y; set ytics (\(lossTics)); set autoscale yfix; "
          + "set offsets 0, 0, graph 0.05, graph 0.05; set key top right",
        series: series(arms, x: updates, y: \.trainLoss, scale: 1, isLogarithmic: true)),
    ]
  }

  /// A line for each arm over the band of its interval.
  private func series(
    _ arms: [(label: String, setting: SettingResult)], x: (GridReport.CurvePoint) -> Double,
    y: (GridReport.CurvePoint) -> GridReport.CurvePoint.Moments, scale: Double,
    isLogarithmic: Bool = false
  ) -> [Figure.Series] {
    // A logarithmic axis has no zero.
    let means = arms.flatMap { $0.setting.curve.compactMap { y($0).mean } }.filter { $0 > 0 }
    let floor = isLogarithmic ? scale * (means.min() ?? 0) / 2 : 0
    // Of shares: no accuracy is above one.
    let ceiling = isLogarithmic ? Double.infinity : scale
    let bands = arms.enumerated().map { style, arm in
      Figure.Series(
        kind: .band, label: nil, style: style,
        rows: arm.setting.curve.compactMap { point in
          interval(y(point), point.runs).map {
            [x(point), max(floor, scale * $0.low), min(ceiling, scale * $0.high)]
          }
        })
    }
    return bands
      + arms.enumerated().map { style, arm in
        Figure.Series(
          kind: .line, label: arm.label, style: style,
          rows: arm.setting.curve.compactMap { point in
            y(point).mean.map { [x(point), scale * $0] }
          })
      }
  }

  private func interval(_ moments: GridReport.CurvePoint.Moments, _ runs: Int) -> Interval? {
    guard runs > 1, let mean = moments.mean, let deviation = moments.deviation else { return nil }
    return Interval(
      around: mean, standardError: deviation / Double(runs).squareRoot(), df: Double(runs - 1),
      confidence: 0.95)
  }
}

extension GridReport.StageRow {
  /// Epoch at which the stage ends.
  var lastEpoch: Double { Double(end) / samplesPerEpoch }

  /// More points of a law than an eye tells apart on a figure.
  private static let mostPoints = 256

  /// Epochs with a value of the law at each: at updates of the stage, from the first to the last, whose
  /// value holds to the stage's end.
  func points(_ value: (GridReport.StageRow, Law, Int) -> Double?) -> [[Double]] {
    guard let law, law.batch > 0, end > start else { return [] }
    let updates = (end - start) / law.batch
    let count = law.rate.isConstant ? 1 : min(updates, GridReport.StageRow.mostPoints)
    let samples = (0..<max(count, 1)).map { point in
      start + (count > 1 ? point * (updates - 1) / (count - 1) : 0) * law.batch
    }
    var rows = samples.compactMap { sample in
      value(self, law, sample).map { [Double(sample) / samplesPerEpoch, $0] }
    }
    if let last = rows.last { rows.append([lastEpoch, last[1]]) }
    return rows
  }
}
