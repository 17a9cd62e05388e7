import Experiments
import Foundation
import Subprocess
import SystemPackage

/// Figures as SVG, drawn by gnuplot from data files. No text of a grid is ever part of a gnuplot
/// command: it stands in data files, where it is data.
package struct Figures: Sendable {
  private let report: GridReport
  private let folder: String

  package init(_ report: GridReport, folder: String) {
    self.report = report
    self.folder = folder
  }

  package enum Failure: Error, CustomStringConvertible {
    case noGnuplot
    case gnuplot(figure: String, output: String)

    package var description: String {
      switch self {
      case .noGnuplot: "figures need gnuplot: apt-get install gnuplot-nox"
      case .gnuplot(let figure, let output): "gnuplot could not draw \(figure): \(output)"
      }
    }
  }

  /// A line of a figure: its label and its points; nil leaves a gap.
  private struct Series {
    var label: String
    var points: [(x: Double, y: Double)]
  }

  /// Draws all figures and returns their paths. What there is nothing to draw of is left out.
  package func draw() async throws -> [String] {
    let curves = shownCurves
    let figures: [(name: String, x: String, y: String, options: String, series: [Series])] = [
      (
        "accuracy-by-learning-rate", "learning rate (log scale)", "final test accuracy (%)",
        "set logscale x 2; set xtics (\(rateTics)); set key bottom left", accuracyByRate
      ),
      (
        "accuracy-by-epoch", "epochs", "test accuracy (%)", "set key bottom right",
        curves.map {
          Series(
            label: $0.label,
            points: points($0.curve) { ($0.epoch, $0.testAccuracy.map { 100 * $0 }) })
        }
      ),
      (
        "accuracy-by-update", "parameter updates", "test accuracy (%)", "set key bottom right",
        curves.map {
          Series(
            label: $0.label,
            points: points($0.curve) { (Double($0.updates), $0.testAccuracy.map { 100 * $0 }) })
        }
      ),
      (
        "learning-rate-by-epoch", "epochs", "learning rate (log scale)",
        "set logscale y; set key bottom left",
        curves.map { Series(label: $0.label, points: steps($0.curve, \.learningRate)) }
      ),
      (
        "batch-by-epoch", "epochs", "batch size (log scale)", "set logscale y 2; set key top left",
        curves.map { Series(label: $0.label, points: steps($0.curve) { Double($0.batch) }) }
      ),
    ]
    var paths: [String] = []
    for figure in figures where figure.series.contains(where: { !$0.points.isEmpty }) {
      paths.append(
        try await draw(
          figure.name, x: figure.x, y: figure.y, options: figure.options,
          figure.series.filter { !$0.points.isEmpty }))
    }
    return paths
  }

  // MARK: - What is shown

  /// The learning rates of the sweep themselves: numbers, so nothing that gnuplot could obey.
  private var rateTics: String {
    Set(report.sweep.map(\.learningRate)).sorted().map { JSON.text(of: $0) }.joined(separator: ", ")
  }

  private var accuracyByRate: [Series] {
    report.unique(report.sweep.map(report.sweepLabel)).map { label in
      Series(
        label: label,
        points: report.sweep.filter { report.sweepLabel($0) == label }
          .compactMap { row in row.testAccuracy.map { (row.learningRate, 100 * $0) } })
    }
  }

  /// Curves of every schedule at the lowest learning rate and the lowest seed: all would hide each
  /// other.
  private var shownCurves: [(label: String, curve: [GridReport.CurvePoint])] {
    let rates = Dictionary(grouping: report.runs) {
      $0.variant ?? "\($0.schedule), \($0.optimizer)"
    }
    return report.unique(report.runs.map { $0.variant ?? "\($0.schedule), \($0.optimizer)" })
      .compactMap { label in
        let runs = (rates[label] ?? []).sorted {
          ($0.learningRate, $0.seed) < ($1.learningRate, $1.seed)
        }
        guard let run = runs.first, let curve = report.curves[run.name] else { return nil }
        return ("\(label), learning rate \(JSON.text(of: run.learningRate))", curve)
      }
  }

  private func points(
    _ curve: [GridReport.CurvePoint], _ value: (GridReport.CurvePoint) -> (Double, Double?)
  ) -> [(x: Double, y: Double)] {
    curve.compactMap { point in
      let (x, y) = value(point)
      return y.map { (x: x, y: $0) }
    }
  }

  /// What held until each measurement, drawn from the one before.
  private func steps(
    _ curve: [GridReport.CurvePoint], _ value: (GridReport.CurvePoint) -> Double
  ) -> [(x: Double, y: Double)] {
    var start = 0.0
    return curve.flatMap { point in
      defer { start = point.epoch }
      return [(x: start, y: value(point)), (x: point.epoch, y: value(point))]
    }
  }

  // MARK: - gnuplot

  /// Dark to light, told apart by dash and mark as well: legible in grey and by colour-blind readers
  /// (colours after Okabe and Ito).
  private static let styles = [
    "lc rgb '#000000' dt 1 pt 7", "lc rgb '#D55E00' dt 2 pt 5", "lc rgb '#0072B2' dt 4 pt 9",
    "lc rgb '#009E73' dt 5 pt 11", "lc rgb '#CC79A7' dt 3 pt 13", "lc rgb '#E69F00' dt 1 pt 6",
    "lc rgb '#56B4E9' dt 2 pt 4", "lc rgb '#999999' dt 4 pt 8",
  ]

  private func draw(
    _ name: String, x: String, y: String, options: String, _ series: [Series]
  ) async throws -> String {
    let data = "\(folder)/\(name).dat"
    let output = "\(folder)/\(name).svg"
    // gnuplot takes a series' title from its first line.
    let text = series.map { line in
      "\"\(line.label.replacing("\"", with: "'"))\"\n"
        + line.points.map { "\($0.x) \($0.y)" }.joined(separator: "\n")
    }.joined(separator: "\n\n\n")
    try (text + "\n").write(toFile: data, atomically: true, encoding: .utf8)
    let plots = series.indices.map { index in
      "ARG2 index \(index) using 1:2 with linespoints ps 0.6 lw 1.6 "
        + Figures.styles[index % Figures.styles.count] + " title columnheader(1)"
    }
    let script = """
      set terminal svg size 800,500 font 'sans-serif,14' noenhanced background '#FFFFFF'
      set output ARG1
      set xlabel '\(x)'
      set ylabel '\(y)'
      set grid lc rgb '#DDDDDD'
      set border 3
      set tics nomirror
      set key autotitle columnheader
      \(options)
      plot \(plots.joined(separator: ", "))
      """
    let scriptPath = "\(folder)/\(name).gnuplot"
    try (script + "\n").write(toFile: scriptPath, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: scriptPath) }
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/gnuplot") else {
      throw Failure.noGnuplot
    }
    let result = try await Subprocess.run(
      .path("/usr/bin/gnuplot"), arguments: ["-c", scriptPath, output, data],
      output: .string(limit: 1 << 16), error: .combinedWithOutput)
    guard result.terminationStatus.isSuccess else {
      throw Failure.gnuplot(figure: name, output: result.standardOutput)
    }
    return output
  }
}
