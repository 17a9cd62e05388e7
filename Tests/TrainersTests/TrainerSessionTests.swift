import Experiments
import Testing
import Trainers
import Training
import Values

/// What a worker makes of what a trainer says and does.
@Suite struct TrainerSessionTests {
  private let start = ContinuousClock.now
}
