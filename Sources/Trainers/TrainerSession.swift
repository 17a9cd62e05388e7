import Experiments
import Foundation
import Training
import Values

/// What a worker makes of a program that trains one stage, as a pure state machine: events in, actions out.
/// It knows no process, no file and no clock.
package struct TrainerSession: Sendable {
  package typealias Instant = ContinuousClock.Instant

  package enum Event: Sendable {
    case directive(Directive)
    /// The program has opened the socket: from now on it is to be heard of.
    case connected
    case line(String)
    /// Nothing of the program lives any more.
    case ended(TrainerExit)
    case tick
  }

  package enum Action: Equatable, Sendable {
    case send(TrainerOrder)
    /// SIGTERM to the process group.
    case terminate
    /// SIGKILL to everything that came of the program.
    case kill
    case progressed(samples: Int)
    case measured(TrainerMeasurement)
    /// Take the file and hand it over as a checkpoint.
    case checkpoint(samples: Int, file: String)
    case end(Ending)
  }

  package enum Ending: Equatable, Sendable {
    /// The file of the last state; nil where the program has handed over none.
    case finished(file: String?)
    /// With the newest state that was handed over since it was asked to drain.
    case drained(samples: Int, file: String)
    /// It ended without: the stage goes on from the checkpoint before.
    case stopped
    case abandoned
    case diverged(String)
    /// Another attempt may be luckier.
    case crashed(String)
    /// Against the contract: every attempt would be.
    case failed(String)
  }

  private let stage: TrainerStage
  private var isConnected = false
  private var heard: Instant
  private var isAsked = false
  private var drainsUntil: Instant?
  private var isAbandoned = false
  /// Why the program was killed, where the worker has done it.
  private var killed: String?
  private var isKilled = false
  private var clock: Int
  private var drained: (samples: Int, file: String)?
  private var finished: (file: String?, Void)?
  private var diverged: String?
  private var violation: String?

  /// `resume` is the sample clock of the state that it goes on from.
  package init(_ stage: TrainerStage, resume: Int?, now: Instant) {
    self.stage = stage
    clock = resume ?? stage.start
    heard = now
  }

  package mutating func handle(_ event: Event, now: Instant) -> [Action] {
    switch event {
    case .connected:
      isConnected = true
      heard = now
      // An order that came before is not lost.
      var actions: [Action] = []
      if isAsked { actions.append(.send(.checkpoint)) }
      if drainsUntil != nil { actions.append(.send(.drain)) }
      return actions
    case .directive(let directive): return follow(directive, now)
    case .line(let line):
      heard = now
      guard violation == nil, !isAbandoned else { return [] }
      do throws(TrainerMessage.Unreadable) { return try take(TrainerMessage(line)) } catch {
        violation = error.description
        return kill()
      }
    case .tick: return overdue(now)
    case .ended(let exit):
      let ending = ending(exit)
      // A script that knows nothing of jobctl has told of no update.
      if case .finished = ending, clock < stage.end {
        return [.progressed(samples: stage.end), .end(ending)]
      }
      return [.end(ending)]
    }
  }

  private mutating func follow(_ directive: Directive, _ now: Instant) -> [Action] {
    switch directive {
    case .proceed: return []
    case .checkpoint:
      guard !isAsked, drainsUntil == nil else { return [] }
      isAsked = true
      return isConnected ? [.send(.checkpoint)] : []
    case .drain:
      guard drainsUntil == nil, !isAbandoned else { return [] }
      drainsUntil = now + .seconds(stage.spec.resources.grace)
      return (isConnected ? [.send(.drain)] : []) + [.terminate]
    case .abandon:
      guard !isAbandoned else { return [] }
      isAbandoned = true
      return (isConnected ? [.send(.abandon)] : []) + kill()
    }
  }

  private mutating func kill() -> [Action] {
    guard !isKilled else { return [] }
    isKilled = true
    return [.kill]
  }

  private mutating func overdue(_ now: Instant) -> [Action] {
    if let drainsUntil, now >= drainsUntil { return kill() }
    let patience = stage.spec.resources.stallAfter
    if isConnected, !isKilled, now - heard >= .seconds(patience) {
      killed = "the trainer said nothing for \(patience) s (trainer.stall_after)"
      return kill()
    }
    return []
  }

  private mutating func take(_ message: TrainerMessage) throws(TrainerMessage.Unreadable)
    -> [Action]
  {
    switch message {
    case .progress(let samples):
      try advance(to: samples, "progress")
      return [.progressed(samples: samples)]
    case .measured(let measurement):
      try advance(to: measurement.samples, "a measurement")
      return [.progressed(samples: measurement.samples), .measured(measurement)]
    case .checkpoint(let samples, let file):
      try advance(to: samples, "a checkpoint")
      guard drainsUntil == nil else {
        drained = (samples, file)
        return [.progressed(samples: samples)]
      }
      isAsked = false
      return [.progressed(samples: samples), .checkpoint(samples: samples, file: file)]
    case .diverged(let reason):
      diverged = reason
      return []
    case .finished(let file):
      clock = stage.end
      finished = (file, ())
      return [.progressed(samples: stage.end)]
    }
  }

  /// The sample clock of a stage goes on, from update to update.
  private mutating func advance(to samples: Int, _ what: String) throws(TrainerMessage.Unreadable) {
    guard stage.start...stage.end ~= samples,
      (samples - stage.start).isMultiple(of: stage.law.batch)
    else {
      throw .init(
        "the stage goes from sample \(stage.start) to \(stage.end) in updates of \(stage.law.batch)",
        in: "\(what) at sample \(samples)")
    }
    guard samples >= clock else {
      throw .init("the sample clock was at \(clock)", in: "\(what) at sample \(samples)")
    }
    clock = samples
  }

  private func ending(_ exit: TrainerExit) -> Ending {
    if isAbandoned { return .abandoned }
    if let violation { return .failed(violation) }
    if let diverged { return .diverged(diverged) }
    if let killed { return .crashed(killed) }
    if case .cannotStart(let reason) = exit { return .crashed(reason) }
    // The request to drain may have ended a program that was about to end well.
    let isEndedByUs = drainsUntil != nil && exit == .signal(Int(SIGTERM))
    if let finished, exit == .code(0) || isEndedByUs { return .finished(file: finished.file) }
    if drainsUntil != nil {
      // However it ended: what it handed over is whole.
      return drained.map { .drained(samples: $0.samples, file: $0.file) } ?? .stopped
    }
    switch exit {
    case .code(0) where !isConnected && stage.start == 0: return .finished(file: nil)
    case .code(0) where !isConnected:
      return .failed(
        "the trainer did not open the socket, so it cannot go on from the stage before: use a constant "
          + "schedule, or let it save and load its state (docs/TRAINERS.md)")
    case .code(0): return .crashed("the trainer ended with 0 and did not say that it had finished")
    case .code(let code): return .crashed("the trainer ended with \(code)")
    case .signal(let number):
      return .crashed(
        "the trainer was ended by signal \(number)\(number == 9 ? " (killed; perhaps memory ran out)" : "")"
      )
    case .cannotStart(let reason): return .crashed(reason)
    }
  }
}

/// How a program ended.
package enum TrainerExit: Equatable, Sendable {
  case code(Int)
  case signal(Int)
  case cannotStart(String)
}
