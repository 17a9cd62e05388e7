import Experiments
import NeuralNet
import Testing

@Suite struct ArchitectureTests {
  @Test(arguments: [
    ("wrn-16-4", 3, 2_748_890), ("wrn-16-4", 1, 2_748_602), ("wrn-10-1", 3, 77_850),
    ("wrn-10-2", 3, 303_706), ("wrn-16-1", 3, 175_066), ("wrn-16-2", 3, 691_674),
    ("wrn-40-4", 3, 8_949_210), ("wrn-28-10", 3, 36_479_194), ("cnn", 1, 24_058),
  ])
  func parameterCountsAreThePapers(name: String, channels: Int, count: Int) throws {
    let grid = try Grid(document: [
      "name": "g", "dataset": "cifar-10", "network": .string(name), "epochs": 1,
      "optimizer": ["name": "sgd", "learning_rate": 1], "batch": ["size": 1],
      "schedule": "constant",
    ])
    let network = try #require(
      Network(
        grid.runs[0].spec.training.network,
        input: Extent(height: 32, width: 32, channels: channels),
        classes: 10))
    #expect(network.parameterCount == count)
  }
}
