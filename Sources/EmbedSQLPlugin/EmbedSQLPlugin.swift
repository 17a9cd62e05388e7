import Foundation
import PackagePlugin

/// Runs EmbedSQL before JobQueue is compiled, whenever a file under sql/ has changed.
@main struct EmbedSQLPlugin: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let folder = context.package.directoryURL.appending(path: "sql")
    let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedSQL.swift")
    let inputs = try [
      "migrations", "types", "functions", "settings", "queries", "views", "grants",
    ].flatMap { kind in
      try FileManager.default.contentsOfDirectory(
        at: folder.appending(path: kind), includingPropertiesForKeys: nil)
    }
    return [
      .buildCommand(
        displayName: "Embed sql/", executable: try context.tool(named: "EmbedSQL").url,
        arguments: [folder.path, output.path], inputFiles: inputs, outputFiles: [output])
    ]
  }
}
