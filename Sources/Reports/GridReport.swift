import Experiments
import Foundation
import Postgres
import Statistics
import Values

/// What is known of one grid: its runs, the curves and stages of its settings, the work that sharing
/// saved, and where it all comes from. Read from the views of schema `report`.
package struct GridReport: Sendable {
  package let id: Int
  package let name: String
  package let runs: [RunRow]
  package let sharing: Sharing
  /// By setting.
  package let curves: [String: [CurvePoint]]
  package let stages: [String: [StageRow]]
  /// Numbers of the stages of each run, in their order.
  package let runStages: [Int: [Int]]
  /// Digest of the data set of each run.
  package let runDatasets: [Int: String]
  package let provenance: Provenance
  package let timing: Timing

  package struct Provenance: Sendable {
    package var attempts = Attempts()
    package var numericsVersions = ""
    package var datasets: [Dataset] = []

    package struct Dataset: Sendable {
      package var digest: String
      package var name: String
      /// In the order of the network's outputs; none where the submission gave none.
      package var classes: [String]
    }
  }

  /// How the stages of the grid were trained beside each other and beside other stages, so far as the
  /// queue knows it. Times are comparable where each stage had its machine alone, and all had alike.
  package struct Timing: TypedRow {
    package var hosts = 0
    /// Different numbers of cores that attempts had.
    package var threads = 0
    /// Attempts at once on one host, at most, of any grid.
    package var atOnce = 0

    package static let sqlName = "report.timing"
    package static let columns: [Column<Timing>] = [
      .init("hosts", \.hosts), .init("threads", \.threads), .init("at_once", \.atOnce),
    ]

    package init() {}
  }
}
