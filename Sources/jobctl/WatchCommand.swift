import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Reports
import Values

/// `jobctl watch`: grids, what is trained and by whom, until nothing is left.
struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Shows grids, runs and workers until the queue is empty.",
    discussion: "On a terminal the picture is redrawn; elsewhere each change is a line.")

  @OptionGroup var database: DatabaseOptions
  @Option(help: "Only this grid.") var grid: String?

  /// Of the time at most so much is spent asking, however large the queue.
  private static let share = 0.05

  func run() async throws {
    let database = try await database.open()
    let found = grid == nil ? nil : try await GridReport.resolve(grid ?? "", in: database)
    let isTerminal = isatty(STDOUT_FILENO) == 1
    var last = ""
    var progress: GridProgress?
    var progressIsDue = ContinuousClock.now
    while true {
      // Grids of a million runs take a second to add up: they are asked for less often.
      let start = ContinuousClock.now
      let status = try await QueueStatus(database, grid: found)
      let took = ContinuousClock.now - start
      if ContinuousClock.now >= progressIsDue || status.isEmpty {
        let start = ContinuousClock.now
        progress = try await GridProgress(database, grid: found?.0)
        progressIsDue = .now + (ContinuousClock.now - start) / WatchCommand.share
      }
      let text = isTerminal ? picture(progress, status) : line(progress, status)
      if text != last {
        print((isTerminal ? "\u{1B}[H\u{1B}[2J" : "") + text)
        fflush(nil)
      }
      last = text
      guard !status.isEmpty else { return }
      try await Task.sleep(for: max(.seconds(1), took / WatchCommand.share))
    }
  }

  private func picture(_ progress: GridProgress?, _ status: QueueStatus) -> String {
    let size = Terminal.size(of: STDOUT_FILENO)
    let text = [progress?.text ?? "", status.text].filter { !$0.isEmpty }
      .joined(separator: "\n\n")
    return Terminal.fitted(text, columns: size.columns, lines: size.lines)
  }

  private func line(_ progress: GridProgress?, _ status: QueueStatus) -> String {
    ([status.line] + (progress?.lines ?? [])).joined(separator: "; ")
  }
}

/// How far the grids are that are not over, and when they will be.
struct GridProgress {
  private let rows: [Row]

  private struct Row {
    var grid: String
    var isPaused: Bool
    var stages: Int
    var over: Int
    var parked: Int
    var share: Double
    /// Seconds, by the speed of the stages that are trained now; nil where none is.
    var left: Double?
  }

  init(_ database: Database, grid: Int?) async throws {
    let found = try await database.query(
      """
      select * from report.progress p where ($1::bigint is null or p.grid_id = $1)
        and (p.stages_running + p.stages_ready + p.stages_parked > 0 or $1 is not null)
      order by p.grid_id
      """, [Parameter(grid)])
    rows = found.map { row in
      let (samples, left) = (row.double("samples") ?? 0, row.double("samples_left") ?? 0)
      let speed = row.double("samples_per_second") ?? 0
      return Row(
        grid: row["grid"] ?? "", isPaused: row["is_paused"] == "t", stages: row.int("stages") ?? 0,
        over: row.int("stages_over") ?? 0, parked: row.int("stages_parked") ?? 0,
        share: samples > 0 ? 1 - left / samples : 1,
        left: speed > 0 ? left / speed : nil)
    }
  }

  var text: String {
    var table = TextTable([
      ("grid", .left), ("stages", .right), ("samples", .right), ("time left", .right),
    ])
    for row in rows {
      table.add([
        row.grid + (row.isPaused ? " (paused)" : "")
          + (row.parked > 0 ? " (\(row.parked) parked)" : ""), "\(row.over)/\(row.stages)",
        number(100 * row.share, 1) + " %", row.left.map(GridProgress.words(seconds:)) ?? "",
      ])
    }
    return table.isEmpty ? "" : table.text
  }

  /// For lines of a log, which are printed when they change: no time, which always does.
  var lines: [String] {
    rows.map {
      let share = Int(nearest: (100 * $0.share).rounded(.down))
      return "\($0.grid) \($0.over)/\($0.stages) stages, \(share) % of the samples"
    }
  }

  /// "3 h 20 min", "12 min", "45 s".
  static func words(seconds: Double) -> String {
    let seconds = Int(nearest: seconds)
    if seconds >= 3600 { return "\(seconds / 3600) h \(seconds % 3600 / 60) min" }
    return seconds >= 60 ? "\(seconds / 60) min" : "\(seconds) s"
  }
}
