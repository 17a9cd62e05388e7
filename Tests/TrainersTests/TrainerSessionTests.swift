import Datasets
import Experiments
import Testing
import Trainers
import Training
import Values

/// The session's actions after each event.
@Suite struct TrainerSessionTests {
  private let start = ContinuousClock.now

  /// Stage `number` of a run of three epochs of 100 samples, with updates of 10 and later of 50.
  private func stage(_ number: Int = 0, _ trainer: [JSON.Member] = []) throws -> TrainerStage {
    let plan = try Plan(
      Grid(document: [
        "name": "g",
        "trainer": .object(
          [
            .init("command", ["python3", "train.py", "{seed}"]),
            .init("samples_per_epoch", 100), .init("stall_after", 60), .init("grace", 5),
          ] + trainer), "epochs": 3,
        "optimizer": ["name": "momentum", "learning_rate": .number("0.1")],
        "batch": ["size": 10, "ghost": 10],
        "schedule": ["name": "increase", "drops": ["epochs": [2], "factor": 5]],
      ])
    ) { spec throws(InvalidDocument) in try spec.facts(from: DataFolders(roots: [])) }
    let planned = plan.stages[number]
    return TrainerStage(
      spec: try #require(planned.spec.trainer), seed: 3, law: planned.stage.law,
      start: planned.stage.start, end: planned.stage.end, startUpdates: planned.stage.startUpdates,
      runs: ["r"], digest: "d")
  }

  /// Lets a session hear of events in turn; gives all that it does.
  private func hear(
    _ events: [TrainerSession.Event], stage number: Int = 0, resume: Int? = nil
  ) throws -> [TrainerSession.Action] {
    var session = TrainerSession(try stage(number), resume: resume, now: start)
    return events.flatMap { session.handle($0, now: start) }
  }

  private func line(_ text: String) -> TrainerSession.Event { .line(text) }

  private let finished = #"{"type":"finished","file":"end"}"#

  @Test func aProgramThatFinishesAndEndsWellHasTrainedItsStage() throws {
    let actions = try hear([
      .connected, line(#"{"type":"progress","samples":50}"#), line(finished), .ended(.code(0)),
    ])
    #expect(
      actions == [
        .progressed(samples: 50), .progressed(samples: 200), .end(.finished(file: "end")),
      ]
    )
  }

  @Test func aScriptWithoutASocketTrainsTheFirstStageOnly() throws {
    #expect(
      try hear([.ended(.code(0))]) == [.progressed(samples: 200), .end(.finished(file: nil))])
    guard case .end(.failed(let reason)) = try hear([.ended(.code(0))], stage: 1).last else {
      Issue.record("it did not fail")
      return
    }
    #expect(reason.contains("docs/TRAINERS.md"))
  }

  @Test(arguments: [
    (TrainerExit.code(2), "the trainer ended with 2"), (.signal(9), "signal 9"),
    (.cannotStart("no python3"), "no python3"),
    (.code(0), "did not say that it had finished"),
  ])
  func anotherEndIsACrashWithItsReason(exit: TrainerExit, words: String) throws {
    guard case .end(.crashed(let reason)) = try hear([.connected, .ended(exit)]).last else {
      Issue.record("it did not crash")
      return
    }
    #expect(reason.contains(words))
  }

  @Test func finishedCountsOnlyWithExitZero() throws {
    guard case .end(.crashed) = try hear([.connected, line(finished), .ended(.code(1))]).last else {
      Issue.record("it did not crash")
      return
    }
  }

  /// The worker's order, then what was handed over after it.
  @Test func aDrainedProgramEndsWithItsNewestState() throws {
    let checkpoint = line(#"{"type":"checkpoint","samples":70,"file":"a"}"#)
    #expect(
      try hear([.connected, .directive(.drain), checkpoint, .ended(.signal(15))]) == [
        .send(.drain), .terminate, .progressed(samples: 70), .end(.drained(samples: 70, file: "a")),
      ])
    #expect(
      try hear([.connected, .directive(.drain), .ended(.signal(15))]).last == .end(.stopped))
    // A checkpoint before the order is the attempt's already.
    #expect(
      try hear([.connected, checkpoint, .directive(.drain), .ended(.code(0))]).last
        == .end(.stopped))
    // It may have finished instead, and be caught by the signal at its very end.
    #expect(
      try hear([.connected, .directive(.drain), line(finished), .ended(.signal(15))]).last
        == .end(.finished(file: "end")))
    #expect(
      try hear([.connected, .directive(.drain), line(finished), .ended(.code(0))]).last
        == .end(.finished(file: "end")))
  }

  @Test func aProgramThatDoesNotDrainIsKilledAfterItsGrace() throws {
    var session = TrainerSession(try stage(), resume: nil, now: start)
    _ = session.handle(.connected, now: start)
    #expect(session.handle(.directive(.drain), now: start) == [.send(.drain), .terminate])
    #expect(session.handle(.directive(.drain), now: start).isEmpty)
    #expect(session.handle(.tick, now: start + .seconds(4)).isEmpty)
    #expect(session.handle(.tick, now: start + .seconds(5)) == [.kill])
    #expect(session.handle(.tick, now: start + .seconds(6)).isEmpty)
    #expect(session.handle(.ended(.signal(9)), now: start + .seconds(6)) == [.end(.stopped)])
  }

  @Test func aProgramThatFallsSilentCountsAsCrashed() throws {
    var session = TrainerSession(try stage(), resume: nil, now: start)
    // Without a socket nothing is to be heard, and a script may take its time.
    #expect(session.handle(.tick, now: start + .seconds(1000)).isEmpty)
    _ = session.handle(.connected, now: start + .seconds(1000))
    #expect(session.handle(.tick, now: start + .seconds(1059)).isEmpty)
    _ = session.handle(line(#"{"type":"progress","samples":10}"#), now: start + .seconds(1059))
    #expect(session.handle(.tick, now: start + .seconds(1118)).isEmpty)
    #expect(session.handle(.tick, now: start + .seconds(1119)) == [.kill])
    guard case .end(.crashed(let reason)) = session.handle(.ended(.signal(9)), now: start).last
    else {
      Issue.record("it did not crash")
      return
    }
    #expect(reason.contains("60 s"))
  }

  @Test func anAbandonedProgramIsKilledAndSaysNothingMore() throws {
    #expect(
      try hear([
        .connected, .directive(.abandon), .directive(.abandon),
        line(#"{"type":"checkpoint","samples":70,"file":"a"}"#), line(finished), .ended(.code(0)),
      ]) == [.send(.abandon), .kill, .end(.abandoned)])
  }

  @Test func aCheckpointIsAskedForOnceUntilItComes() throws {
    let ask = TrainerSession.Event.directive(.checkpoint(threads: 1))
    #expect(
      try hear([
        .connected, ask, ask, line(#"{"type":"checkpoint","samples":10,"file":"a"}"#), ask,
      ]) == [
        .send(.checkpoint), .progressed(samples: 10), .checkpoint(samples: 10, file: "a"),
        .send(.checkpoint),
      ])
    // An order before the program has opened the socket is not lost.
    #expect(try hear([ask, .connected]) == [.send(.checkpoint)])
    #expect(try hear([.directive(.drain), .connected]) == [.terminate, .send(.drain)])
  }

  @Test func aDivergedProgramSaysWhy() throws {
    #expect(
      try hear([
        .connected, line(#"{"type":"diverged","reason":"train_loss is nan"}"#), .ended(.code(0)),
      ]).last == .end(.diverged("train_loss is nan")))
  }

  /// The sample clock of the stage is the worker's: a program cannot claim what is impossible.
  @Test(arguments: [
    #"{"type":"progress","samples":15}"#, #"{"type":"progress","samples":210}"#,
    #"{"type":"progress","samples":-10}"#, #"{"type":"progress"}"#, "hello", "[1]",
    #"{"type":"checkpoint","samples":10}"#, #"{"type":"dance"}"#,
    #"{"type":"measured","samples":10,"test_accuracy":1.5}"#,
    #"{"type":"measured","samples":10,"Loss":1}"#,
    #"{"type":"measured","samples":10,"loss_é":1}"#,
    #"{"type":"measured","samples":10,"train_loss":"low"}"#,
  ])
  func aMessageAgainstTheContractEndsTheStage(text: String) throws {
    let actions = try hear([.connected, line(text), line(finished), .ended(.signal(9))])
    #expect(actions.count == 2 && actions.first == .kill, "\(actions)")
    guard case .end(.failed(let reason)) = actions.last else {
      Issue.record("it did not fail: \(actions)")
      return
    }
    #expect(reason.contains("trainer"))
  }

  @Test func theSampleClockDoesNotGoBack() throws {
    let actions = try hear([
      .connected, line(#"{"type":"progress","samples":50}"#),
      line(#"{"type":"progress","samples":40}"#),
    ])
    #expect(actions == [.progressed(samples: 50), .kill])
    // Nor before the state that it goes on from.
    #expect(
      try hear([.connected, line(#"{"type":"progress","samples":40}"#)], resume: 50) == [.kill])
  }

  @Test func aMeasurementMayHaveFurtherNumbers() throws {
    let actions = try hear([
      .connected,
      line(
        #"{"type":"measured","samples":100,"train_loss":0.5,"test_accuracy":0.75,"weight_norm":3}"#),
    ])
    guard case .measured(let measurement) = actions.last else {
      Issue.record("nothing was measured: \(actions)")
      return
    }
    #expect(measurement.trainLoss == 0.5 && measurement.testAccuracy == 0.75)
    #expect(measurement.numbers == ["weight_norm": 3])
    let many = (0...TrainerMeasurement.mostNumbers).map { "\"n\($0)\":1" }.joined(separator: ",")
    #expect(
      try hear([.connected, line("{\"type\":\"measured\",\"samples\":0,\(many)}")]) == [.kill])
  }

  // MARK: - The stage

  @Test func theDocumentHoldsTheRateOfEveryUpdate() throws {
    let document = try stage(1).document(resume: 250, data: ["/d"], output: "/o")
    #expect(document["start"] == ["samples": 200, "updates": 20])
    #expect(document["end"] == ["samples": 300, "updates": 22])
    #expect(document["resume"] == ["samples": 250, "updates": 21])
    #expect(document["learning_rates"] == [[2, .number("0.1")]])
    #expect(document["batch"] == 50 && document["ghost"] == 10 && document["seed"] == 3)
    #expect(try stage().document(resume: nil, data: [], output: "/o")["resume"]?.isNull == true)
  }

  @Test func theCommandHasTheStagesValues() throws {
    let trainer: [JSON.Member] = [
      .init("parameters", ["depth": 16, "name": "a b"])
    ]
    var stage = try stage(1, trainer)
    stage.spec.command = [
      "p", "{seed}", "--rate={learning_rate}", "{parameters.depth}{parameters.name}", "{{x}}",
      "{output}/{updates}", "{epochs}", "{\"a\": 1}",
    ]
    #expect(
      try stage.command(output: "/o") == [
        "p", "3", "--rate=0.1", "16a b", "{x}", "/o/2", "1", "{\"a\": 1}",
      ])
  }
}
