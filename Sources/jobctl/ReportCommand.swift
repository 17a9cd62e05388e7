import ArgumentParser
import Foundation
import JobQueue
import Reports
import Values

/// `jobctl report`: reads grids, prints, and writes a page with tables and figures.

extension Report.IntervalMethod: ExpressibleByArgument {}

struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Reports grids: accuracy and updates of each setting, with intervals and tests.",
    discussion: """
      Several grids are compared with each other. With --output a page (HTML), tables (CSV, JSON) and \
      figures (SVG) are written to a folder.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case table, csv, json }

  @Argument(help: "Grids, by name or id.") var grids: [String]
  @OptionGroup var database: DatabaseOptions
  @Option(
    help: ArgumentHelp(
      "Differences of up to so many points count as the same, in tests of equivalence and of rate breaks.",
      valueName: "points"))
  var margin = 100 * Report.Options.defaultMargin
  @Option(help: "How intervals are made; the bootstrap needs 20 seeds.")
  var interval = Report.IntervalMethod.student
  @Option(help: "What to print.") var format = Format.table
  @Option(help: "A folder for the page, tables and figures.", completion: .directory)
  var output: String?

  func validate() throws {
    guard margin >= 1e-6 && margin < 100 else {
      throw ValidationError("--margin is in points of accuracy, from 0.000001 to below 100.")
    }
  }

  func run() async throws {
    let database = try await database.open()
    var found: [(id: Int, name: String)] = []
    for grid in grids {
      let grid = try await JobQueue(database).grid(grid)
      guard !found.contains(where: { $0.id == grid.id }) else {
        throw ValidationError("grid \(grid.name) is named twice")
      }
      found.append((grid.id, grid.name))
    }
    let loaded = try await GridReport.load(found, from: database)
    let report = Report(
      loaded, options: .init(margin: margin / 100, interval: interval))
    switch format {
    case .table: print(report.text)
    case .csv: print(report.runCSV, terminator: "")
    case .json: print(report.json.pretty())
    }
    guard let output else { return }
    let count = try await report.write(to: output, madeBy: Jobctl.version)
    if format == .table {
      print(
        "\n\(count) figures, report.html and the tables are in\n"
          + URL(filePath: output).standardizedFileURL.path)
    }
  }
}
