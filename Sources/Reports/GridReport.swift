import Experiments
import Foundation
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

  package struct RunRow: Sendable {
    package let id: Int
    package let name: String
    /// What it has in common with runs of other seeds.
    package let setting: String
    package let labels: JSON
    package let state: String
    package let outcome: Outcome
    package let learningRate: Double
    package let schedule: String
    package let optimizer: String
    package let variant: String?
    package let seed: Int
    package let updatesPlanned: Int
    /// N, the training samples of an epoch.
    package let samplesPerEpoch: Double
    package let samplesPlanned: Int
    package let updates: Int
    package let updatesRedone: Int
    /// At the start, and the largest.
    package let batch: Int
    package let batchMost: Int
    package let momentum: Double?
    package let epochs: Double
    package let samples: Int
    package let testAccuracy: Double?
    package let bestTestAccuracy: Double?
    package let validationAccuracy: Double?
    package let testLoss: Double?
    package let trainLoss: Double?
    package let seconds: Double?
    package let coreSeconds: Double?
    package let attempts: Int
    package let crashes: Int
    package let peakMemory: Int?
    package let parametersDigest: String?
    package let reason: String?
  }

  package struct Sharing: Sendable {
    package var stages = 0
    package var uniqueStages = 0
    package var updates = 0
    package var uniqueUpdates = 0
    package var epochs = 0.0
    package var uniqueEpochs = 0.0
    /// Stages that an earlier grid had submitted.
    package var reusedStages = 0
  }

  /// Runs of a setting at one sample count, over seeds; without those that did not train, where others
  /// did or still may.
  package struct CurvePoint: Sendable {
    package let epoch: Double
    package let updates: Int
    package let samples: Int
    package let runs: Int
    package let testAccuracy: Moments
    package let trainLoss: Moments
    /// tr(Sigma) over |G|^2, of their means; nil where nothing measured them.
    package let gradientNoise: Double?

    package struct Moments: Sendable {
      package let mean: Double?
      package let deviation: Double?
    }
  }

  /// A stage of a setting, as the first of its runs has it.
  package struct StageRow: Sendable {
    /// Sample clock.
    package let start: Int
    package let end: Int
    /// N, the training samples of an epoch.
    package let samplesPerEpoch: Double
    package let batch: Int
    /// The law that it is trained by; nil of one that this version cannot read.
    package let law: Law?
    package let hasNoiseScale: Bool
    /// Bytes that a worker is to have for it, as planned.
    package let memory: Int?
    /// The peak of a worker that trained it alone, in bytes; nil where none did.
    package let memoryMeasured: Int?
  }

  package struct Provenance: Sendable {
    package var versions = ""
    package var hosts = ""
    package var fingerprints = ""
    package var numericsVersions = ""
    package var datasets: [(digest: String, name: String)] = []
    package var attempts = 0
    package var crashed = 0
    package var preempted = 0
    package var failed = 0
  }

  /// How the stages of the grid were trained beside each other and beside other stages, so far as the
  /// queue knows it. Times are comparable where each stage had its machine alone, and all had alike.
  package struct Timing: Sendable {
    package var hosts = 0
    /// Different numbers of cores that attempts had.
    package var threads = 0
    /// Attempts at once on one host, at most, of any grid.
    package var atOnce = 0

    package init() {}
  }

  /// There is no such grid.
  package struct NotFound: Error, CustomStringConvertible {
    package let name: String
    package let near: String?
    package var description: String {
      "there is no grid \"\(name)\"" + (near.map { "; did you mean \"\($0)\"" } ?? "")
    }
  }
}
