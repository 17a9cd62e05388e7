import Postgres
import Values

/// The grid that a user names, by its name or its number.

/// There is no such grid.
package struct NoSuchGrid: Error, CustomStringConvertible {
  package let name: String
  package let near: String?

  package init(name: String, near: String?) { (self.name, self.near) = (name, near) }

  package var description: String {
    "there is no grid \"\(name)\"" + (near.map { "; did you mean \"\($0)\"" } ?? "")
  }
}

/// A grid that was submitted.
package struct KnownGrid: TypedRow {
  package private(set) var id = 0
  package private(set) var name = ""

  package static let sqlName = "report.submission"
  package static let columns: [Column<KnownGrid>] = [.init("id", \.id), .init("grid", \.name)]
  package init() {}
}

extension JobQueue {
  /// The grid with this number, as "7" or "#7", or with this name. Digits alone are a number: a grid that
  /// an earlier version let have such a name is named by its number.
  package func grid(_ text: String) async throws -> KnownGrid {
    let digits = text.hasPrefix("#") ? text.dropFirst() : text[...]
    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
    let query = "select \(KnownGrid.columnList) from report.submission"
    let condition = isNumber ? "id::text = ltrim($1, '#0')" : "grid = $1"
    let found = try await database.query("\(query) where \(condition)", [.text(text)])
    if let grid = try found.read(as: KnownGrid.self).first { return grid }
    let known = try await database.query(query).read(as: KnownGrid.self)
    // Digits alone may mean the grid with that name.
    let near =
      isNumber
      ? known.first { $0.name == text }.map { "#\($0.id)" }
      : nearest(text, among: known.map(\.name))
    throw NoSuchGrid(name: text, near: near)
  }
}

/// A grid has no such run.
package struct UnknownRun: Error, CustomStringConvertible {
  package let grid: String
  package let run: String
  package let names: [String]

  package init(grid: String, run: String, among names: [String]) {
    (self.grid, self.run, self.names) = (grid, run, names)
  }

  package var description: String {
    "grid \(grid) has no run \"\(run)\"\(hint(run, among: names)); jobctl show \(grid) lists them"
  }
}

private struct RunName: TypedRow {
  var name = ""

  static let sqlName = "report.run"
  static let columns: [Column<RunName>] = [.init("run", \.name)]
  init() {}
}

extension JobQueue {
  /// Throws where the grid has no run of this name.
  package func require(run name: String, of grid: KnownGrid) async throws {
    let query = "select \(RunName.columnList) from report.run where grid_id = $1"
    let found = try await database.query(
      "\(query) and run = $2", [.integer(grid.id), .text(name)])
    guard found.count == 0 else { return }
    let known = try await database.query(
      "\(query) order by run_id limit 10000", [.integer(grid.id)])
    throw UnknownRun(
      grid: grid.name, run: name, among: try known.read(as: RunName.self).map(\.name))
  }
}
