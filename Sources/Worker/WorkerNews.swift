import JobQueue
import Training

/// What a worker tells the displays and the health server of its process.
package enum WorkerNews: Sendable {
  /// The queue knows the worker by this number.
  case registered(worker: Int)
  /// The queue has answered a heartbeat.
  case heartbeatConfirmed
  case draining
  case started(ClaimedStage, from: Int)
  case progressed(ClaimedStage, StageProgress)
  case measured(ClaimedStage, MeasurementRow)
  case ended(ClaimedStage, AttemptEnding)
}
