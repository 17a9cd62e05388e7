import Foundation
import JobQueue
import Synchronization
import Training
import Values

/// What a worker has done and whether it is well, for health checks and Prometheus.
package final class WorkerMonitor: Sendable {
  private struct State {
    var worker: Int?
    var isDraining = false
    var confirmed: ContinuousClock.Instant?
    var running: [Lease: (updates: Int, samples: Int, perSecond: Double)] = [:]
    var ended: [AttemptEnding.Kind: Int] = [:]
    var updates = 0
    var samples = 0
  }

  private let state = Mutex(State())
  private let version: String
  private let started = Date()

  /// Idle workers beat every 30 s: two may be lost.
  private static let patience = Duration.seconds(75)

  package init(version: String) { self.version = version }

  package func note(_ news: WorkerNews) {
    state.withLock { state in
      switch news {
      case .registered(let worker):
        state.worker = worker
        state.confirmed = .now
      case .heartbeatConfirmed: state.confirmed = .now
      case .draining: state.isDraining = true
      case .started(let stage, let samples):
        let share =
          (Double(samples) - Double(stage.start)) / (Double(stage.end) - Double(stage.start))
        state.running[stage.lease] = (
          max(0, Int(nearest: share * Double(stage.updates))), max(samples, stage.start), 0
        )
      case .progressed(let stage, let progress):
        // A report may come after the stage has ended.
        guard let last = state.running[stage.lease] else { return }
        state.updates += max(0, progress.updates - last.updates)
        state.samples += max(0, progress.samples - last.samples)
        state.running[stage.lease] = (
          progress.updates, progress.samples, progress.samplesPerSecond
        )
      case .measured: break
      case .ended(let stage, let ending):
        state.running[stage.lease] = nil
        state.ended[ending.kind, default: 0] += 1
      }
    }
  }

  /// Whether the queue has answered lately, and new work would be taken.
  package var isReady: Bool {
    state.withLock { state in
      guard let confirmed = state.confirmed, !state.isDraining else { return false }
      return ContinuousClock.now - confirmed < WorkerMonitor.patience
    }
  }

  /// In Prometheus' text format.
  package var metrics: String {
    let state = state.withLock { $0 }
    var lines: [String] = []
    func add(_ name: String, _ kind: String, _ help: String, _ values: [(String, Double)]) {
      lines += ["# HELP \(name) \(help)", "# TYPE \(name) \(kind)"]
      for (labels, value) in values { lines.append("\(name)\(labels) \(value)") }
    }
    add(
      "jobctl_worker_info", "gauge", "What this worker is.",
      [("{version=\"\(version)\",kernels=\"\(numericsFingerprint)\"}", 1)])
    add(
      "jobctl_worker_ready", "gauge", "1 while the queue answers and work would be taken.",
      [("", isReady ? 1 : 0)])
    let age = state.confirmed.map { (ContinuousClock.now - $0) / .seconds(1) } ?? -1
    add(
      "jobctl_heartbeat_age_seconds", "gauge",
      "Since the queue last answered a heartbeat; -1 before the first one.", [("", age)])
    add(
      "jobctl_stages_running", "gauge", "Stages in training.", [("", Double(state.running.count))])
    add(
      "jobctl_stages_ended_total", "counter", "Attempts by how they ended.",
      AttemptEnding.Kind.allCases.map {
        ("{outcome=\"\($0.rawValue)\"}", Double(state.ended[$0] ?? 0))
      })
    add(
      "jobctl_updates_total", "counter", "Parameter updates made.", [("", Double(state.updates))])
    add("jobctl_samples_total", "counter", "Samples trained on.", [("", Double(state.samples))])
    add(
      "jobctl_samples_per_second", "gauge", "Of all stages in training together.",
      [("", state.running.values.reduce(0) { $0 + $1.perSecond })])
    add(
      "process_start_time_seconds", "gauge", "Since the epoch.",
      [("", started.timeIntervalSince1970)])
    add(
      "process_resident_memory_bytes", "gauge", "Memory in use.", [("", Double(residentMemory()))])
    return lines.joined(separator: "\n") + "\n"
  }
}
