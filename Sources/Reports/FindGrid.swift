import Postgres
import Values

/// There is no such grid.
package struct NoSuchGrid: Error, CustomStringConvertible {
  package let name: String
  package let near: String?

  package init(name: String, near: String?) { (self.name, self.near) = (name, near) }

  package var description: String {
    "there is no grid \"\(name)\"" + (near.map { "; did you mean \"\($0)\"" } ?? "")
  }
}

private struct KnownGrid: TypedRow {
  var id = 0
  var grid = ""

  static let sqlName = "report.submission"
  static let columns: [Column<KnownGrid>] = [.init("id", \.id), .init("grid", \.grid)]
  init() {}
}

/// The grid with this number, as "7" or "#7", or with this name. Digits alone are a number: a grid that
/// an earlier version let have such a name is named by its number.
package func findGrid(_ grid: String, in database: Database) async throws -> (
  id: Int, name: String
) {
  let digits = grid.hasPrefix("#") ? grid.dropFirst() : grid[...]
  let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
  let query = "select \(KnownGrid.columnList) from report.submission"
  let condition = isNumber ? "id::text = ltrim($1, '#0')" : "grid = $1"
  let found = try await database.query("\(query) where \(condition)", [.text(grid)])
  if let row = try found.read(as: KnownGrid.self).first { return (row.id, row.grid) }
  let known = try await database.query(query).read(as: KnownGrid.self)
  // Digits alone may mean the grid with that name.
  let near =
    isNumber
    ? known.first { $0.grid == grid }.map { "#\($0.id)" }
    : nearest(grid, among: known.map(\.grid))
  throw NoSuchGrid(name: grid, near: near)
}
