import ArgumentParser
import JobQueue

/// How commands name a grid, and which grid the queue has under that name.

struct GridArgument: ParsableArguments {
  @Argument(help: "A grid's name or id.") var grid: String

  func find(in queue: JobQueue) async throws -> KnownGrid { try await queue.grid(grid) }
}

/// All grids, or the one that --grid names.
struct GridOption: ParsableArguments {
  @Option(help: "Only this grid, by name or id.") var grid: String?

  func find(in queue: JobQueue) async throws -> KnownGrid? {
    guard let grid else { return nil }
    return try await queue.grid(grid)
  }
}

/// A grid, or with --all everything.
struct GridOrAll: ParsableArguments {
  @Argument(help: "A grid's name or id.") var grid: String?
  @Flag(help: "The whole queue.") var all = false

  func validate() throws {
    guard all == (grid == nil) else { throw ValidationError("name a grid, or say --all") }
  }

  func find(in queue: JobQueue) async throws -> KnownGrid? {
    guard let grid else { return nil }
    return try await queue.grid(grid)
  }
}

/// A grid, or one of its runs.
struct GridOrRun: ParsableArguments {
  @OptionGroup var grid: GridArgument
  @Argument(help: "A run's name; without it the whole grid.") var run: String?

  func find(in queue: JobQueue) async throws -> KnownGrid {
    let grid = try await grid.find(in: queue)
    if let run { try await queue.require(run: run, of: grid) }
    return grid
  }
}
