import Experiments
import Foundation
import Statistics

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
    package let start: Double
    package let end: Double
    package let batch: Int
    package let learningRate: Double
    package let learningRateEnd: Double
    package let noiseScale: Double?
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

  /// There is no such grid.
  package struct NotFound: Error, CustomStringConvertible {
    package let name: String
    package let near: String?
    package var description: String {
      "there is no grid \"\(name)\"" + (near.map { "; did you mean \"\($0)\"" } ?? "")
    }
  }
}
