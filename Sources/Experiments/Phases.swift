import Values

/// From a schedule to laws: which batch and which learning rate hold until which sample.

/// A span of a run under one law, with its ends at update boundaries.
package struct Phase: Hashable, Sendable {
  package var law: Law
  /// Sample clock at the first update.
  package var start: Int
  /// Sample clock after the last update: the first update boundary at or after the asked end.
  package var end: Int

  package var updates: Int { (end - start) / law.batch }
}

extension RunSpec {
  /// The phases of this run over `samples` training samples (N), adjacent equal laws merged.
  func phases(samples n: Int, problems: inout [Problem]) -> [Phase] {
    checkDrops(problems: &problems)
    guard let initial = initialBatch(samples: n, problems: &problems),
      let maximum = maximumBatch(samples: n, initial: initial, problems: &problems)
    else { return [] }
    let total = clock(epochs, n)
    guard total > 0 else {
      problems.append(
        Problem(
          "epochs",
          "\(epochs.double) epochs of \(n) samples are none: a run has one update at least"))
      return []
    }
    var marks: [Mark] = []
    var rateCurve: RateLaw.Curve?
    if schedule.name != .constant {
      if let curve = schedule.curve {
        let law = RateLaw.Curve(
          shape: curve.shape, end: curve.end, power: curve.power, samples: total)
        marks = curveMarks(
          law, factor: curve.factor, initial: initial, maximum: maximum, problems: &problems)
        rateCurve = law
      } else {
        marks = dropMarks(initial: initial, maximum: maximum, samples: n, problems: &problems)
      }
    }
    let warmUp = schedule.warmUp.map {
      RateLaw.WarmUp(from: $0.from, samples: max(1, clock($0.epochs, n)))
    }
    if let warmUp, warmUp.samples > total {
      problems.append(Problem("schedule.warm_up.epochs", "is longer than the run"))
    }
    // The marks after the start, and the end of the warm-up, cut the run.
    var cuts = marks.map(\.sample) + [total]
    if let warmUp { cuts.append(warmUp.samples) }
    var phases: [Phase] = []
    var start = 0
    for cut in Set(cuts).sorted() where cut <= total && cut > start {
      let mark = marks.last { $0.sample <= start } ?? Mark(sample: 0, batch: initial, rate: .one)
      guard let base = learningRate.multiplying(by: mark.rate) else {
        problems.append(Problem("schedule", "its factors are too fine for exact arithmetic"))
        return []
      }
      let law = Law(
        batch: mark.batch, momentum: momentum,
        rate: RateLaw(
          base: base, curve: rateCurve, warmUp: start < (warmUp?.samples ?? 0) ? warmUp : nil))
      let updates = (cut - start + mark.batch - 1) / mark.batch
      let end = start + updates * mark.batch
      if let last = phases.last, last.law.identity == law.identity {
        phases[phases.count - 1].end = end
      } else {
        phases.append(Phase(law: law, start: start, end: end))
      }
      start = end
    }
    return phases
  }

  /// From a sample on, this batch and this multiple of the base rate hold.
  private struct Mark {
    var sample: Int
    var batch: Int
    var rate: Rational
  }

  private func clock(_ epochs: Rational, _ n: Int) -> Int {
    epochs.multiplying(by: Rational(n))?.rounded ?? Int(nearest: epochs.double * Double(n))
  }

  // MARK: - Drops

  private func dropMarks(initial: Int, maximum: Int, samples n: Int, problems: inout [Problem])
    -> [Mark]
  {
    var marks: [Mark] = []
    var (batch, rate) = (initial, Rational.one)
    for (index, drop) in schedule.drops.enumerated() {
      let byBatch =
        schedule.name == .increase || (schedule.name == .hybrid && index < schedule.batchDrops)
      guard
        let paid = pay(drop.factor, batch: batch, rate: rate, maximum: byBatch ? maximum : batch)
      else {
        problems.append(Problem("schedule.drops.factor", "is too fine for exact arithmetic"))
        return marks
      }
      (batch, rate) = paid
      let epoch = drop.epoch.epochs(of: epochs)
      marks.append(Mark(sample: clock(epoch, n), batch: batch, rate: rate))
    }
    return marks
  }

  private func checkDrops(problems: inout [Problem]) {
    guard schedule.name != .constant, schedule.curve == nil else { return }
    var previous = Rational.zero
    for (index, drop) in schedule.drops.enumerated() {
      let epoch = drop.epoch.epochs(of: epochs)
      let path = "schedule.drops.epochs[\(index)]"
      if epoch >= epochs {
        problems.append(Problem(path, "found \(epoch.double) in a run of \(epochs.double) epochs"))
      }
      if epoch <= previous, index > 0 {
        problems.append(Problem(path, "must come after the drop before it"))
      }
      previous = epoch
    }
  }

  /// The batch pays what it can of a factor, the learning rate the exact remainder.
  private func pay(_ factor: Rational, batch: Int, rate: Rational, maximum: Int) -> (Int, Rational)?
  {
    guard let wanted = factor.multiplying(by: Rational(batch)) else { return nil }
    let valid = self.batch.largestValid(notAbove: min(max(wanted.floor, 1), 1 << 50))
    let new = max(batch, min(valid, maximum))
    guard let grown = Rational(new, over: batch), let rest = factor.dividing(by: grown),
      let lower = rate.dividing(by: rest)
    else { return nil }
    return (new, lower)
  }

  // MARK: - Curves

  /// A run of more stages than this is not meant.
  private static let mostMarks = 100

  /// Where the batch pays a curve it grows each time the curve has fallen by another `factor`; the
  /// rate follows the rest, so that the noise scale is the curve's at every update.
  private func curveMarks(
    _ law: RateLaw.Curve, factor: Rational, initial: Int, maximum: Int, problems: inout [Problem]
  ) -> [Mark] {
    guard schedule.name == .increase else { return [] }
    let total = law.samples
    var marks: [Mark] = []
    var batch = initial
    var level = 1.0
    while batch < maximum {
      level /= factor.double
      guard law.value(at: total) <= level else { break }
      var (low, high) = (0, total)
      while low < high {
        let middle = low + (high - low) / 2
        if law.value(at: middle) <= level { high = middle } else { low = middle + 1 }
      }
      guard low < total, let wanted = factor.multiplying(by: Rational(batch)) else { break }
      batch = max(batch, min(self.batch.largestValid(notAbove: max(wanted.floor, 1)), maximum))
      guard marks.count < RunSpec.mostMarks else {
        problems.append(
          Problem(
            "schedule.curve.factor",
            "the batch would grow more than \(RunSpec.mostMarks) times; a larger factor makes it fewer"
          ))
        return []
      }
      guard let rate = Rational(batch, over: initial) else { break }
      marks.append(Mark(sample: low, batch: batch, rate: rate))
    }
    return marks
  }

  // MARK: - Batches

  private func initialBatch(samples n: Int, problems: inout [Problem]) -> Int? {
    if let size = batch.size {
      guard batch.isValid(size) else {
        problems.append(Problem("batch.size", neighbours(of: size)))
        return nil
      }
      return checkedAgainstN(size, n, "batch.size", &problems)
    }
    guard let reference = batch.scaling else { return nil }
    // B = B_ref * (e / e_ref) * (1 - m_ref) / (1 - m), to the nearest valid batch.
    let damping =
      (1 - (reference.momentum?.double ?? momentum?.double ?? 0))
      / (1 - (momentum?.double ?? 0))
    let wanted =
      Double(reference.size) * learningRate.double / reference.learningRate.double
      * damping
    guard wanted.isFinite, wanted < 1e15 else {
      problems.append(Problem("batch.scaling", "asks for a batch of \(wanted)"))
      return nil
    }
    let ghost = Double(batch.ghost)
    let nearest = wanted < ghost ? max(1, wanted.rounded()) : (wanted / ghost).rounded() * ghost
    return checkedAgainstN(Int(nearest), n, "batch.scaling", &problems)
  }

  private func maximumBatch(samples n: Int, initial: Int, problems: inout [Problem]) -> Int? {
    let maximum: Int
    switch batch.maximum {
    case nil: maximum = batch.largestValid(notAbove: n)
    case .fractionOfN(let divisor): maximum = batch.largestValid(notAbove: max(1, n / divisor))
    case .samples(let value):
      guard batch.isValid(value) else {
        problems.append(Problem("batch.maximum", neighbours(of: value)))
        return nil
      }
      maximum = value
    }
    guard maximum >= initial else {
      problems.append(
        Problem("batch.maximum", "found \(maximum), below the first batch of \(initial)"))
      return nil
    }
    return checkedAgainstN(maximum, n, "batch.maximum", &problems)
  }

  private func checkedAgainstN(_ value: Int, _ n: Int, _ path: String, _ problems: inout [Problem])
    -> Int?
  {
    guard value <= n else {
      problems.append(Problem(path, "a batch of \(value) is larger than the \(n) training samples"))
      return nil
    }
    return value
  }

  private func neighbours(of size: Int) -> String {
    let below = size / batch.ghost * batch.ghost
    return "found \(size), no multiple of the ghost batch \(batch.ghost); "
      + "the nearest are \(below) and \(below + batch.ghost)"
  }
}
