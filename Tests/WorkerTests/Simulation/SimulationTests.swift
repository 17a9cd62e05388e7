import Foundation
import TestSupport
import Testing

/// Seeds: JOBCTL_SEEDS=100 for so many, JOBCTL_SEED=17 for one again.
@Suite struct SimulationTests {
  private func seeds(_ usual: Int) -> [Int] {
    let environment = ProcessInfo.processInfo.environment
    if let one = environment["JOBCTL_SEED"].flatMap({ Int($0) }) { return [one] }
    return Array(0..<(environment["JOBCTL_SEEDS"].flatMap { Int($0) } ?? usual))
  }

  @Test func theQueueAndItsWorkersSurviveWhateverHappens() {
    var (events, faults) = (0, [String: Int]())
    for seed in seeds(300) {
      var simulator = Simulator(seed: seed)
      simulator.run()
      events += simulator.log.count
      faults.merge(simulator.faults, uniquingKeysWith: +)
      if let first = simulator.properties.violations.first {
        Issue.record(
          "JOBCTL_SEED=\(seed): \(first), and \(simulator.properties.violations.count - 1) more like it"
        )
      }
    }
    print(
      "Simulated \(events) events; "
        + faults.sorted { $0.key < $1.key }
        .map { "\($0.key): \($0.value)" }.joined(separator: ", "))
  }

  @Test func aSeedDoesTheSameAgain() {
    var (one, two) = (Simulator(seed: 4), Simulator(seed: 4))
    one.run()
    two.run()
    #expect(one.queue.picture == two.queue.picture && one.log.count == two.log.count)
  }

  @Test func theModelHasTheServersLimits() async throws {
    let queue = try await TestCluster.queue()
    #expect(
      try await queue.value(
        "select api.internal_crash_limit() || ' ' || api.internal_failure_limit()")
        == "\(QueueModel.crashLimit) \(QueueModel.failureLimit)")
  }

  @Test func theModelAndTheServerAgree() async throws {
    for seed in seeds(8).prefix(200) {
      var simulator = Simulator(seed: seed)
      simulator.run(minutes: 2, workers: 4)
      let server = try await ServerUnderTest()
      var model = QueueModel()
      for (index, entry) in simulator.log.enumerated() {
        let expected = model.apply(entry.event, now: entry.at)
        let reply = try await server.apply(entry.event, now: entry.at, model: model)
        guard reply == expected else {
          Issue.record(
            "JOBCTL_SEED=\(seed), event \(index) \(entry.event): the model says \(expected), the server \(reply)"
          )
          return
        }
        guard index % 20 == 0 || index == simulator.log.count - 1 else { continue }
        let picture = try await server.picture()
        guard picture == model.picture else {
          let different = zip(picture, model.picture).first { $0 != $1 }
          Issue.record(
            "JOBCTL_SEED=\(seed), after event \(index): the server has \(different?.0 ?? ""), the model \(different?.1 ?? "")"
          )
          return
        }
      }
    }
  }
}
