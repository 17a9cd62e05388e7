import Datasets
import Experiments
import NeuralNet
import Testing
import Values

@Suite struct ArchitectureTests {
  private func network(_ spec: JSON, side: Int, channels: Int, classes: Int) throws -> Network {
    let grid = try Grid(document: [
      "name": "g", "dataset": "cifar-10", "network": spec, "epochs": 1,
      "optimizer": ["name": "sgd", "learning_rate": 1], "batch": ["size": 1],
      "schedule": "constant",
    ])
    return Network(
      try #require(grid.settings[0].spec.training.native).network,
      input: Extent(height: side, width: side, channels: channels), classes: classes)
  }

  @Test(arguments: [
    ("wrn-16-4", 3, 2_748_890), ("wrn-16-4", 1, 2_748_602), ("wrn-10-1", 3, 77_850),
    ("wrn-10-2", 3, 303_706), ("wrn-16-1", 3, 175_066), ("wrn-16-2", 3, 691_674),
    ("wrn-40-4", 3, 8_949_210), ("wrn-28-10", 3, 36_479_194), ("cnn", 1, 24_058),
  ])
  func parameterCountsAreThePapers(name: String, channels: Int, count: Int) throws {
    let network = try network(.string(name), side: 32, channels: channels, classes: 10)
    #expect(network.parameterCount == count)
  }

  @Test(arguments: [("resnet-50", 224, 25_557_032), ("inception-resnet-v2", 299, 55_843_464)])
  func largeNetworksHaveThePapersCountsAtThePapersSizes(name: String, side: Int, count: Int) throws
  {
    let network = try network(.string(name), side: side, channels: 3, classes: 1000)
    #expect(network.parameterCount == count)
    #expect(network.extents.contains(Extent(height: 1, width: 1, channels: 1000)))
  }

  /// Goyal et al. 2017: a block starts as an identity where its last batch norm does.
  @Test func zeroGammaIsForTheLastNormOfABlockOnly() throws {
    let network = try network(
      ["name": "resnet-50", "zero_gamma": true], side: 32, channels: 3, classes: 10)
    for parameter in network.parameters where parameter.kind == .gamma {
      guard case .constant(let start) = parameter.start else {
        Issue.record("\(parameter.name) does not start constant")
        continue
      }
      #expect(start == (parameter.name.hasSuffix(".bn3.gamma") ? 0 : 1), "\(parameter.name)")
    }
  }
}
