import JobQueue
import Testing
import Worker

/// The worker's decisions, without clock, database or threads.
@Suite struct WorkerCoreTests {
  private let start = ContinuousClock.now
  private let a = Lease(stage: 1, attempt: 1)
  private let b = Lease(stage: 2, attempt: 1)

  private func core(slots: Int = 2, threads: Int = 3, untilEmpty: Bool = false) -> WorkerCore {
    var settings = WorkerCore.Settings(slots: slots, threads: threads)
    settings.untilEmpty = untilEmpty
    return WorkerCore(settings, now: start, jitter: { 0.5 })
  }

  @Test func itClaimsForItsFreeSlotsAndNotTwiceAtOnce() {
    var core = core()
    #expect(core.handle(.tick, now: start) == [.claim(slots: 2)])
    #expect(core.handle(.tick, now: start) == [])
    let actions = core.handle(.claimed([a], sent: start), now: start)
    #expect(actions.contains(.start(a)))
    #expect(actions.contains(.hold(a, until: start + .seconds(8))))
    #expect(core.handle(.tick, now: start + .seconds(1)) == [])
    #expect(core.handle(.tick, now: start + .seconds(2)) == [.claim(slots: 1)])
  }

  @Test func coresAreSharedAmongTheStagesAndComeBack() {
    var core = core()
    _ = core.handle(.tick, now: start)
    let both = core.handle(.claimed([a, b], sent: start), now: start)
    #expect(both.contains(.allot(a, threads: 2)) && both.contains(.allot(b, threads: 1)))
    #expect(core.handle(.ended(b), now: start).contains(.allot(a, threads: 3)))
  }

  @Test func aNotificationBringsTheNextClaimForward() {
    var core = core()
    _ = core.handle(.tick, now: start)
    #expect(core.handle(.claimed([], sent: start), now: start) == [])
    #expect(core.handle(.tick, now: start + .seconds(1)) == [])
    #expect(core.handle(.poke, now: start + .seconds(1)) == [.claim(slots: 2)])
  }

  @Test func heartbeatsExtendTheHoldFromWhenTheyWereSent() {
    var core = core(slots: 1)
    _ = core.handle(.tick, now: start)
    _ = core.handle(.claimed([a], sent: start), now: start)
    let beat = start + .seconds(3)
    #expect(core.handle(.tick, now: beat) == [.heartbeat([a], idle: false)])
    #expect(core.handle(.tick, now: beat + .seconds(4)) == [])
    let answer = WorkerCore.Event.heartbeatAnswered(
      .init(verdicts: [a: .hold], isKnown: true, sent: beat))
    #expect(
      core.handle(answer, now: beat + .seconds(4)).contains(.hold(a, until: beat + .seconds(8))))
  }

  @Test func whatIsLostIsAbandoned() {
    var core = core(slots: 2)
    _ = core.handle(.tick, now: start)
    _ = core.handle(.claimed([a, b], sent: start), now: start)
    _ = core.handle(.tick, now: start + .seconds(3))
    let verdicts = WorkerCore.Event.heartbeatAnswered(
      .init(verdicts: [a: .lost, b: .cancelled], isKnown: true, sent: start))
    let actions = core.handle(verdicts, now: start + .seconds(3))
    #expect(actions.contains(.abandon(a)) && actions.contains(.abandon(b)))
  }

  @Test func aSlotGoesFromOneStageToTheNextInOneTransaction() {
    var core = core(slots: 2)
    _ = core.handle(.tick, now: start)
    _ = core.handle(.claimed([a], sent: start), now: start)
    #expect(core.slotsToClaim(finishing: b) == 0, "it holds no such stage")
    // For its own slot and the free one, and nobody else claims meanwhile.
    #expect(core.slotsToClaim(finishing: a) == 2)
    #expect(core.slotsToClaim(finishing: a) == 0)
    #expect(core.handle(.ended(a), now: start) == [])
    let actions = core.handle(.claimed([b], sent: start), now: start)
    #expect(actions.contains(.start(b)) && core.held == [b])
    // Nothing was found: asked once more, for other data sets.
    #expect(core.slotsToClaim(finishing: b) == 2)
    _ = core.handle(.ended(b), now: start)
    #expect(core.handle(.finishClaimedNothing, now: start) == [.claim(slots: 2)])
  }

  @Test func aDrainedWorkerFinishesAndClaimsNothing() {
    var core = core(slots: 1)
    _ = core.handle(.tick, now: start)
    _ = core.handle(.claimed([a], sent: start), now: start)
    _ = core.handle(.drain, now: start)
    #expect(core.slotsToClaim(finishing: a) == 0)
    // Asked before: what comes is given back.
    var late = self.core(slots: 1)
    _ = late.handle(.tick, now: start)
    _ = late.handle(.claimed([a], sent: start), now: start)
    #expect(late.slotsToClaim(finishing: a) == 1)
    _ = late.handle(.drain, now: start)
    #expect(late.handle(.ended(a), now: start) == [])
    #expect(late.handle(.claimed([b], sent: start), now: start).contains(.drain(b)))
  }

  @Test func drainingStopsWhenTheLastStageHasEnded() {
    var core = core(slots: 1)
    _ = core.handle(.tick, now: start)
    _ = core.handle(.claimed([a], sent: start), now: start)
    #expect(core.handle(.drain, now: start) == [.drain(a)])
    #expect(core.handle(.tick, now: start + .seconds(1)) == [])
    #expect(core.handle(.ended(a), now: start + .seconds(1)) == [.stop])
    #expect(core.handle(.tick, now: start + .seconds(9)) == [])
  }

  @Test func aClaimThatComesInWhileDrainingIsGivenBack() {
    var core = core(slots: 1)
    _ = core.handle(.tick, now: start)
    #expect(core.handle(.drain, now: start) == [])
    let actions = core.handle(.claimed([a], sent: start), now: start)
    #expect(actions.contains(.start(a)) && actions.contains(.drain(a)))
  }

  @Test func untilEmptyStopsWhenTheQueueSaysSo() {
    var core = core(untilEmpty: true)
    _ = core.handle(.tick, now: start)
    #expect(core.handle(.claimed([], sent: start), now: start) == [.askWhetherEmpty])
    #expect(core.handle(.queueIsEmpty(false), now: start) == [])
    _ = core.handle(.tick, now: start + .seconds(3))
    #expect(core.handle(.claimed([], sent: start), now: start + .seconds(3)) == [.askWhetherEmpty])
    #expect(core.handle(.queueIsEmpty(true), now: start + .seconds(3)) == [.stop])
  }
}
