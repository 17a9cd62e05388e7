import Experiments

/// A field of a table as text: its characters, the string's header, its place in a row.
private let textMemory = 40

/// What a data set takes in memory: needed to plan, so known without opening it.
extension DatasetSpec {
  /// Bytes once it is there, and at most while it is read.
  package func memory(_ facts: DatasetFacts) -> (loaded: Int, loading: Int) {
    let perSample = facts.height * facts.width * facts.channels
    let labels = 4 * (facts.train + facts.test)
    let chosen = (facts.train + facts.test) * perSample
    switch name {
    case .fashionMNIST, .cifar10, .cifar100, .imageNet:
      // Pictures stay bytes. Files are read whole, whatever part of them is used.
      var whole = self
      (whole.train, whole.test, whole.validation) = (nil, nil, 0)
      let all = whole.builtInFacts.map { ($0.train + $0.test) * perSample } ?? chosen
      return (chosen + labels, chosen + all + labels)
    case .csv: return (4 * chosen + labels, 4 * chosen + labels + textMemory * chosen)
    case .synthetic:
      return (4 * chosen + labels, 4 * chosen + labels + 8 * facts.classes * perSample)
    }
  }
}
