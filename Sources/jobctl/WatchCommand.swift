import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Tables
import Values

/// `jobctl watch`: grids, what is trained and by whom, until nothing is left.
struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Shows grids, runs and workers until the queue is empty.",
    discussion: "On a terminal the picture is redrawn; elsewhere each change is a line.")

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var grid: GridOption

  /// Of the time at most so much is spent asking, however large the queue.
  private static let share = 0.05

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let found = try await grid.find(in: queue)
    let isTerminal = isatty(STDOUT_FILENO) == 1
    var last = ""
    var progress: GridProgress?
    var progressIsDue = ContinuousClock.now
    while true {
      // Grids of a million runs take a second to add up: they are asked for less often.
      let start = ContinuousClock.now
      let status = try await QueueStatus(queue, grid: found)
      let took = ContinuousClock.now - start
      if ContinuousClock.now >= progressIsDue || status.isEmpty {
        let start = ContinuousClock.now
        progress = try await GridProgress(queue, grid: found?.id)
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

  init(_ queue: JobQueue, grid: Int?) async throws {
    rows = try await queue.progress(grid: grid).map { row in
      Row(
        grid: row.grid, isPaused: row.isPaused, stages: row.stages, over: row.over,
        parked: row.parked,
        share: row.samples > 0 ? 1 - Double(row.samplesLeft) / Double(row.samples) : 1,
        left: row.samplesPerSecond > 0 ? Double(row.samplesLeft) / row.samplesPerSecond : nil)
    }
  }

  var text: String {
    Listing(
      rows,
      [
        .text("grid") { row in
          row.grid + (row.isPaused ? " (paused)" : "")
            + (row.parked > 0 ? " (\(row.parked) parked)" : "")
        },
        .figure("stages") { "\($0.over)/\($0.stages)" },
        .figure("samples") { number(100 * $0.share, 1) + " %" },
        .figure("time left") { $0.left.map(time(seconds:)) ?? "" },
      ]
    ).text(or: "")
  }

  /// For lines of a log, which are printed when they change: no time, which always does.
  var lines: [String] {
    rows.map {
      let share = Int(nearest: (100 * $0.share).rounded(.down))
      return "\($0.grid) \($0.over)/\($0.stages) stages, \(share) % of the samples"
    }
  }
}
