import Experiments
import Foundation
import Testing
import Values

/// Learning rates as functions of the sample clock, against their formulas.
@Suite struct LawTests {
  private func law(
    _ shape: String? = nil, end: String = "0", power: String = "1", warmUp: JSON? = nil
  ) throws -> RateLaw {
    var node: JSON = ["base": "1/2"]
    if let shape {
      node = node.setting(
        ["curve"],
        to: [
          "shape": .string(shape), "end": .string(end), "power": .string(power), "samples": 1000,
        ])
    }
    if let warmUp { node = node.setting(["warm_up"], to: warmUp) }
    return try #require(RateLaw(node))
  }

  @Test func anExponentialCurveLosesTheSameShareEachEpoch() throws {
    let rates = try law("exponential", end: "1/16")
    #expect(rates.value(at: 0) == 0.5)
    #expect(rates.value(at: 250) == 0.25)
    #expect(rates.value(at: 500) == 0.125)
    #expect(rates.value(at: 1000) == 0.03125)
  }

  @Test func aPolynomialCurveFallsAsItsPowerSays() throws {
    let square = try law("polynomial", end: "0", power: "2")
    #expect(square.value(at: 0) == 0.5)
    #expect(square.value(at: 500) == 0.125)
    #expect(square.value(at: 1000) == 0)
    let line = try law("polynomial", end: "1/2")
    #expect(line.value(at: 500) == 0.375)
    #expect(line.value(at: 2000) == 0.25)
  }

  @Test func aWarmUpRisesFromItsStartToTheLawsRate() throws {
    let constant = try law(warmUp: ["from": "1/10", "samples": 400])
    #expect(constant.value(at: 0) == 0.1)
    #expect(constant.value(at: 200) == 0.3)
    #expect(constant.value(at: 400) == 0.5)
    let curved = try law("polynomial", end: "0", warmUp: ["from": "0", "samples": 500])
    #expect(curved.value(at: 250) == 0.5 * 0.375)
    #expect(curved.value(at: 500) == 0.25)
  }

  /// The bounds that the planner keeps, for stages that came without it.
  @Test func aLawThatNoPlannerMakesSaysWhy() throws {
    func problem(_ rate: RateLaw, momentum: String? = "0.9", _ name: OptimizerSpec.Name = .momentum)
      -> String?
    {
      Law(batch: 32, momentum: momentum.flatMap { Rational($0) }, rate: rate).problem(for: name)
    }
    let sound = try law("polynomial", end: "1/100", warmUp: ["from": "0", "samples": 3])
    #expect(problem(sound) == nil)
    #expect(problem(sound, momentum: nil, .adam) == nil)
    let unsound: [(String?, String)] = [
      (problem(sound, .sgd), "sgd has no momentum"),
      (problem(sound, momentum: nil, .lars), "lars needs momentum"),
      (problem(sound, momentum: "99999/100000"), "momentum"),
      (problem(sound, momentum: "-1/2"), "momentum"),
      (problem(try law("polynomial", end: "2")), "end 2"),
      (problem(try law("polynomial", end: "-1")), "end -1"),
      (problem(try law("polynomial", power: "0")), "power 0"),
      (problem(try law("polynomial", power: "101")), "power 101"),
      (problem(try law("exponential", end: "0")), "exponential"),
      (problem(try law(warmUp: ["from": "-1", "samples": 3])), "begins at -1"),
      (problem(RateLaw(base: try #require(Rational("-1")))), "rate is -1"),
    ]
    for (found, part) in unsound {
      #expect(found?.contains(part) == true, "\(found ?? "nothing"), not \(part)")
    }
  }

  @Test func aLawSurvivesItsJSON() throws {
    let written = try law("cosine", end: "1/100", warmUp: ["from": "0", "samples": 3])
    #expect(RateLaw(written.json) == written)
  }
}
