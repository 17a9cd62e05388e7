import Foundation

/// Build tool: writes the files under sql/ into one Swift file, so that the program carries the
/// schema that it was built for. Usage: EmbedSQL SQL_FOLDER OUTPUT
@main struct EmbedSQL {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else {
      throw Failure(description: "usage: EmbedSQL SQL_FOLDER OUTPUT")
    }
    var out = "// Generated from sql/ by EmbedSQL.\n\nenum EmbeddedSQL {\n"
    for kind in [
      "migrations", "types", "functions", "settings", "queries", "views", "grants",
    ] {
      out += "  static let \(kind): [(name: String, text: String)] = [\n"
      let folder = URL(filePath: arguments[1]).appending(path: kind)
      let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        .filter { $0.hasSuffix(".sql") }.sorted()
      for file in files {
        let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
        guard !text.contains("\"\"\"#") else {
          throw Failure(description: "\(file) contains \"\"\"#")
        }
        out += "    (\"\(file.dropLast(4))\", #\"\"\"\n\(text)\n\"\"\"#),\n"
      }
      out += "  ]\n"
    }
    try (out + "}\n").write(toFile: arguments[2], atomically: true, encoding: .utf8)
  }

  struct Failure: Error, CustomStringConvertible { let description: String }
}
