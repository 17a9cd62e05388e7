import Foundation
import Values

/// The report as files in a folder.
extension Report {
  /// Writes page, tables and figures; gives the number of figures.
  package func write(to folder: String, madeBy version: String) async throws -> Int {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // Figures of an earlier report that this one may not have.
    let earlier =
      (try? String(contentsOfFile: folder + "/report.json", encoding: .utf8))
      .flatMap { try? JSON(parsing: $0) }?["figures"]?.items ?? []
    for name in earlier.compactMap(\.stringValue) where isValidName(name) {
      unlink("\(folder)/\(name).svg")
    }
    func write(_ text: String, _ name: String) throws {
      try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }
    try write(runCSV, "runs.csv")
    try write(settingCSV, "settings.csv")
    try write(curveCSV, "curves.csv")
    let figures = figures
    try write(json(figures: figures).pretty() + "\n", "report.json")
    try await Figure.draw(figures, in: folder)
    let drawn = try figures.map { figure in
      (figure: figure, svg: try Data(contentsOf: URL(filePath: "\(folder)/\(figure.name).svg")))
    }
    try write(page(figures: drawn, madeBy: version), "report.html")
    return figures.count
  }
}
