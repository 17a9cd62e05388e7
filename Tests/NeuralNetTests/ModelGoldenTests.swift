import Experiments
import NeuralNet
import Tensors
import TestSupport
import Testing
import Values

/// One training step of whole networks against golden values.
@Suite struct ModelGoldenTests {
  @Test(arguments: ["mlp", "cnn", "wrn-10-1", "wrn-16-4", "resnet-50", "inception-resnet-v2"])
  func oneStep(model: String) throws {
    let golden = try Golden("models/\(model)")
    let attributes = try #require(golden.manifest["attrs"])
    let inputs = try #require(golden.manifest["inputs"])
    let network = makeNetwork(model, attributes)
    #expect(network.parameterCount == golden.manifest["parameter_count"]?.intValue)
    let names = golden.manifest["params"]?.items?.compactMap { $0["name"]?.stringValue }
    #expect(network.parameters.map(\.name) == names)

    let parameters = floats((golden.manifest["params"]?.items ?? []).flatMap { golden.input($0) })
    let statistics = network.initialStatistics()
    let x = golden.input(inputs["x"] ?? .null)
    let labels = golden.input(inputs["labels"] ?? .null).map { Int32($0) }
    let team = Team(size: 2)
    defer { team.close() }
    let ghost = attributes["ghost"]?.intValue ?? labels.count
    let executor = Executor(network, capacity: ghost, team: team)
    func tolerance(_ key: String) -> Double {
      golden.manifest["tolerances"]?[key]?["tol"]?.doubleValue ?? 0
    }
    // The batch is a sequence of ghost batches; its gradient is their mean.
    let gradient = Floats(count: network.parameterCount)
    var (logits, loss, squares) = ([Double](), 0.0, [Double]())
    let ghosts = stride(from: 0, to: labels.count, by: ghost)
    func load(_ start: Int) {
      executor.input.update(
        from: Array(x[(start * network.input.count)...]), count: ghost * network.input.count)
    }
    for start in ghosts {
      load(start)
      executor.forward(.training, images: ghost, parameters: parameters, statistics: statistics)
      logits += (0..<ghost * network.classes).map { Double(executor.logits[$0]) }
      let result = executor.loss(
        labels: Array(labels[start..<start + ghost]), smoothing: 0, training: true)
      loss += result.loss.reduce(0, +) / Double(labels.count)
      executor.backward(images: ghost, parameters: parameters, statistics: statistics)
      executor.foldStatistics(into: statistics)
      squares.append(
        Elementwise.squareSum(executor.gradients.base, count: gradient.count, team: team))
      Elementwise.copy(
        gradient.base, from: executor.gradients.base, adding: true, count: gradient.count,
        team: team)
    }
    Elementwise.scale(
      gradient.base, by: Float(ghost) / Float(labels.count), count: gradient.count, team: team)
    #expect(relative(logits, golden.stored("logits")) <= tolerance("logits"))
    let expected = golden.manifest["loss"]?.doubleValue ?? 0
    #expect(abs(loss - expected) <= tolerance("loss") * expected)
    for (square, reference) in zip(squares, golden.stored("ghost_grad_sq")) {
      #expect(abs(square - reference) <= tolerance("ghost_grad_sq") * reference)
    }
    checkGradients(golden, network, gradient, tolerance)
    checkStatistics(golden, network, statistics, tolerance)

    UpdateRule.sgd.apply(
      w: parameters.base, g: gradient.base, slots: [], count: parameters.count,
      rate: Float(attributes["lr"]?.doubleValue ?? 0),
      decay: Float(attributes["weight_decay"]?.doubleValue ?? 0), step: 1, team: team)
    var evaluated: [Double] = []
    for start in ghosts {
      load(start)
      executor.forward(.inference, images: ghost, parameters: parameters, statistics: statistics)
      evaluated += (0..<ghost * network.classes).map { Double(executor.logits[$0]) }
    }
    #expect(relative(evaluated, golden.stored("eval_logits")) <= tolerance("eval_logits"))
  }

  private func makeNetwork(_ model: String, _ attributes: JSON) -> Network {
    let sides = attributes["input"]?.items?.compactMap(\.intValue) ?? []
    let input =
      sides.count == 3
      ? Extent(height: sides[0], width: sides[1], channels: sides[2])
      : Extent(height: 1, width: 1, channels: sides[0])
    let hidden = attributes["hidden"]?.items?.compactMap(\.intValue) ?? []
    let spec: NetworkSpec =
      switch model {
      case "mlp": .mlp(hidden: hidden)
      case "cnn": .cnn
      case "resnet-50": .resNet50(zeroGamma: false)
      case "inception-resnet-v2": .inceptionResNetV2(zeroGamma: false)
      default:
        .wideResNet(
          depth: attributes["depth"]?.intValue ?? 0, width: attributes["width"]?.intValue ?? 0)
      }
    return Network(spec, input: input, classes: attributes["classes"]?.intValue ?? 0)
  }

  private func checkGradients(
    _ golden: Golden, _ network: Network, _ gradients: Floats, _ tolerance: (String) -> Double
  ) {
    let norms = golden.stored("grad.l2")
    let (indices, samples) = (golden.stored("param.idx"), golden.stored("grad.val"))
    let total = golden.manifest["total_grad_l2"]?.doubleValue ?? 0
    #expect(norms.count == network.parameters.count)
    for (p, parameter) in network.parameters.enumerated() {
      let values = (0..<parameter.count).map { Double(gradients.base[parameter.offset + $0]) }
      let scale = max(norms[p], 1e-4 * total)
      #expect(abs(norm(values) - norms[p]) / scale <= tolerance("grad_l2"), "\(parameter.name)")
      for s in 0..<8 {
        let reference = samples[p * 8 + s]
        let error = abs(values[Int(indices[p * 8 + s])] - reference)
        let bound = max(abs(reference), scale / Double(parameter.count).squareRoot())
        #expect(error / bound <= tolerance("grad_samples"), "\(parameter.name)")
      }
    }
  }

  private func checkStatistics(
    _ golden: Golden, _ network: Network, _ statistics: Floats, _ tolerance: (String) -> Double
  ) {
    let (means, variances) = (golden.stored("running_mean.l2"), golden.stored("running_var.l2"))
    for (b, statistic) in network.statistics.enumerated() {
      let mean = (0..<statistic.channels).map { Double(statistics.base[statistic.offset + $0]) }
      let variance = (0..<statistic.channels).map {
        Double(statistics.base[statistic.offset + statistic.channels + $0])
      }
      #expect(abs(norm(mean) - means[b]) <= tolerance("stats_l2") * means[b], "\(statistic.name)")
      #expect(
        abs(norm(variance) - variances[b]) <= tolerance("stats_l2") * variances[b],
        "\(statistic.name)")
    }
  }

  private func relative(_ values: [Double], _ reference: [Double]) -> Double {
    guard values.count == reference.count else { return .infinity }
    return norm(zip(values, reference).map { $0 - $1 }) / norm(reference)
  }
}
