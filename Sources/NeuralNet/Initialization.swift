import Tensors

/// Where training starts: parameters and statistics as functions of the seed.
extension Network {
  /// Parameters at the start of training: a function of the seed and of each parameter's place.
  package func initialParameters(seed: Int) -> Floats {
    let values = Floats(count: parameterCount)
    let random = Philox(seed: seed, purpose: .initialization)
    for (index, parameter) in parameters.enumerated() {
      let target = values.base + parameter.offset
      switch parameter.start {
      case .constant(let value): target.update(repeating: value, count: parameter.count)
      case .normal(let fanIn, let gain):
        let deviation = gain / Double(fanIn).squareRoot()
        for i in 0..<parameter.count {
          target[i] = Float(deviation * random.normal(UInt64(i), stream: UInt32(index)))
        }
      }
    }
    return values
  }

  /// Running means 0 and variances 1.
  package func initialStatistics() -> Floats {
    let values = Floats(count: statisticCount)
    for statistic in statistics {
      (values.base + statistic.offset + statistic.channels)
        .update(repeating: 1, count: statistic.channels)
    }
    return values
  }
}
