import Foundation
import Host
import Tables

/// A figure, drawn as SVG by gnuplot. No text of a grid is ever part of a gnuplot command: it stands in
/// data files, where it is data.
package struct Figure: Sendable {
  /// Of the file, and fixed: letters, digits and dashes.
  package var name: String
  package var title: String
  /// What is drawn, with what it is the mean of.
  package var caption: String
  var x: String
  var y: String
  /// gnuplot commands without any text from outside.
  package var options = ""
  package var series: [Series]

  package struct Series: Sendable {
    package enum Kind: Sendable {
      /// x, y: points joined by lines.
      case line
      /// x, y: lines alone.
      case path
      /// x, y: points alone.
      case points
      /// x, low, high.
      case band
      /// x, y, low, high: points with bars, joined.
      case bars
      /// x, y, low, high: points with bars, alone.
      case loneBars
      /// x, y: wide rings around points, joined by a thin line.
      case rings
      /// x, y and a word: crosses.
      case crosses
    }

    var kind: Kind
    /// In the key; none where nil.
    package var label: String?
    /// Which of the colours, dashes and marks.
    var style: Int
    package var rows: [[Double]]
    /// A word beside each row, for crosses.
    var words: [String] = []
  }

  var isEmpty: Bool { series.allSatisfy(\.rows.isEmpty) }

  /// Without what a logarithmic axis has no place for, or gnuplot would end.
  var drawable: Figure {
    var figure = self
    let (logX, logY) = (options.contains("logscale x"), options.contains("logscale y"))
    for index in series.indices where logX || logY {
      let line = series[index]
      let kept = line.rows.indices.filter { place in
        let row = line.rows[place]
        return (!logX || row[0] > 0) && (!logY || row.dropFirst().allSatisfy { $0 > 0 })
      }
      figure.series[index].rows = kept.map { line.rows[$0] }
      if !line.words.isEmpty { figure.series[index].words = kept.map { line.words[$0] } }
    }
    return figure
  }

  /// Places to label on a logarithmic axis that need not reach from one power of ten to the next.
  static func tics(_ values: [Double]) -> String {
    let positive = values.filter { $0 > 0 && $0.isFinite }
    guard let least = positive.min(), let most = positive.max() else { return "1" }
    let decades = Int(log10(least).rounded(.down))...Int(log10(most).rounded(.up))
    let mantissas: [[Double]] = [
      [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1],
    ]
    let choices = mantissas.map { (marks: [Double]) -> [Double] in
      let all: [Double] = decades.flatMap { decade in
        let power = pow(10.0, Double(decade))
        return marks.map { mark in mark * power }
      }
      return all.filter { $0 >= 0.8 * least && $0 <= 1.25 * most }
    }
    let chosen = choices.first { $0.count <= 8 } ?? choices[3]
    return chosen.map { String(format: "%g", $0) }.joined(separator: ", ")
  }

  package enum Failure: Error, CustomStringConvertible {
    case noGnuplot
    case gnuplot(output: String)

    package var description: String {
      switch self {
      case .noGnuplot: "figures need gnuplot: apt-get install gnuplot-nox"
      case .gnuplot(let output): "gnuplot could not draw the figures: \(output)"
      }
    }
  }

  // MARK: - gnuplot

  /// Dark to light, told apart by dash and mark as well: legible in grey and by colour-blind readers
  /// (colours after Okabe and Ito).
  private static let colours = [
    "#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999",
  ]
  private static let dashes = [1, 2, 4, 5, 3, 1, 2, 4]
  private static let marks = [7, 5, 9, 11, 13, 6, 4, 8]
  /// More lines than these are not told apart.
  static let mostStyles = colours.count

  /// Draws figures into a folder, each as NAME.svg.
  package static func draw(_ figures: [Figure], in folder: String) async throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/gnuplot") else {
      throw Failure.noGnuplot
    }
    let scratch = folder + "/.data-\(UUID().uuidString)"
    try FileManager.default.createDirectory(
      atPath: scratch, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    for figure in figures {
      try figure.data.write(
        toFile: "\(scratch)/\(figure.name).dat", atomically: true, encoding: .utf8)
    }
    let script = scratch + "/figures.gnuplot"
    try figures.map(\.script).joined(separator: "\n").write(
      toFile: script, atomically: true, encoding: .utf8)
    let result = try await ChildProcess.run("/usr/bin/gnuplot", ["-c", script, folder, scratch])
    guard result.isSuccess else {
      throw Failure.gnuplot(output: result.output)
    }
  }

  /// A block a series; gnuplot takes its title from the first line.
  private var data: String {
    series.map { line in
      let rows = line.rows.enumerated().map { place, row in
        row.map { String($0) }.joined(separator: " ")
          + (line.kind == .crosses ? " \(Figure.quoted(line.words[place]))" : "")
      }
      return ([Figure.quoted(line.label ?? "")] + rows).joined(separator: "\n")
    }.joined(separator: "\n\n\n") + "\n"
  }

  private static func quoted(_ text: String) -> String {
    "\"" + printable(text).replacing("\"", with: "'").replacing("\\", with: "/") + "\""
  }

  private var script: String {
    let plots = series.indices.filter { !series[$0].rows.isEmpty }.flatMap { index in
      clauses(of: series[index]).map { "data index \(index) \($0)" }
    }
    return """
      reset
      set terminal svg size 800,500 font 'sans-serif,14' noenhanced background '#FFFFFF'
      set output ARG1.'/\(name).svg'
      data = ARG2.'/\(name).dat'
      set xlabel '\(x)'
      set ylabel '\(y)'
      set grid lc rgb '#DDDDDD'
      set border 3
      set tics nomirror
      set key autotitle columnheader
      \(options)
      plot \(plots.joined(separator: ", "))
      set output

      """
  }

  private func clauses(of line: Series) -> [String] {
    let style = line.style % Figure.mostStyles
    let colour = "lc rgb '\(Figure.colours[style])'"
    let dash = "dt \(Figure.dashes[style])"
    let mark = "pt \(Figure.marks[style])"
    let title = line.label == nil ? "notitle" : "title columnheader(1)"
    switch line.kind {
    case .line:
      return ["using 1:2 with linespoints ps 0.5 lw 1.6 \(colour) \(dash) \(mark) \(title)"]
    case .path: return ["using 1:2 with lines lw 2 \(colour) \(dash) \(title)"]
    case .points: return ["using 1:2 with points ps 0.7 \(colour) \(mark) \(title)"]
    case .band:
      return ["using 1:2:3 with filledcurves fs transparent solid 0.15 noborder \(colour) notitle"]
    case .bars:
      return ["using 1:2:3:4 with yerrorlines ps 0.7 lw 1.4 \(colour) \(dash) \(mark) \(title)"]
    case .loneBars:
      return ["using 1:2:3:4 with yerrorbars ps 0.8 lw 1.2 \(colour) \(mark) \(title)"]
    case .rings:
      return [
        "using 1:2 with linespoints pt 6 ps 2.2 lw 1 dt 3 lc rgb '#555555' \(title)"
      ]
    case .crosses:
      return [
        "using 1:2 with points pt 2 ps 0.9 lw 2 \(colour) \(title)",
        "using 1:2:3 with labels left offset 0.7,0 font ',11' textcolor rgb "
          + "'\(Figure.colours[style])' notitle",
      ]
    }
  }
}
