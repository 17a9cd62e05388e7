import Tensors

/// Runs a network over ghost batches of up to `capacity` images: forward, loss, backward. Owns the
/// activations and scratch memory; parameters and statistics are the caller's.
package final class Executor {
  package let network: Network
  package let capacity: Int
  package let gradients: Floats
  private let team: Team
  private let values: [Floats]
  private let valueGradients: GradientPlan
  private let gradientSlots: [Floats]
  private let states: [LayerState]
  private let workspace: Floats
  private let workspacePerLane: Int
  private let shared: Floats

  package init(_ network: Network, capacity: Int, team: Team) {
    precondition(capacity > 0, "a ghost batch of \(capacity)")
    self.network = network
    self.capacity = capacity
    self.team = team
    gradients = Floats(count: network.parameterCount)
    values = network.extents.map { Floats(count: $0.count * capacity) }
    valueGradients = GradientPlan(network)
    gradientSlots = valueGradients.sizes.map { Floats(count: $0 * capacity) }
    states = network.nodes.map { LayerState(places: $0.layer.places * capacity) }
    // Lanes write to scratch of their own, a cache line apart.
    workspacePerLane = ((network.nodes.map(\.layer.workspace).max() ?? 0) + 15) / 16 * 16
    workspace = Floats(count: workspacePerLane * team.size)
    shared = Floats(count: network.nodes.map(\.layer.shared).max() ?? 0)
  }

  /// Where the caller puts the images: [images][height][width][channels].
  package var input: FloatPointer { values[0].base }
  /// [images][classes] after `forward`.
  package var logits: FloatPointer { values[network.output].base }

  /// The value that a node made last, for inspection: [images][its extent].
  package func value(of node: Int) -> FloatPointer { values[network.nodes[node].output].base }

  package func forward(_ mode: Pass.Mode, images: Int, parameters: Floats, statistics: Floats) {
    let pass = pass(mode, images, parameters, statistics)
    for (node, state) in zip(network.nodes, states) {
      node.layer.forward(
        pass, y: values[node.output].base, inputs: node.inputs.map { values[$0].base }, state: state
      )
    }
  }

  /// Loss of each image and, in training, the gradient of the mean loss over the images.
  package func loss(labels: [Int32], smoothing: Double, training: Bool) -> CrossEntropy.Result {
    CrossEntropy.evaluate(
      logits: logits, labels: labels, classes: network.classes, smoothing: smoothing,
      dlogits: training ? gradient(of: network.output) : nil, scale: 1 / Double(labels.count))
  }

  /// Fills `gradients`, after `forward` in training mode and `loss`.
  package func backward(images: Int, parameters: Floats, statistics: Floats) {
    let pass = pass(.training, images, parameters, statistics)
    var written = Set([network.output])
    for (node, state) in zip(network.nodes, states).reversed() {
      guard let dy = gradient(of: node.output) else { continue }
      let targets = node.inputs.map { input in
        InputGradient(pointer: gradient(of: input), adds: !written.insert(input).inserted)
      }
      node.layer.backward(
        pass, dInputs: targets, dy: dy, inputs: node.inputs.map { values[$0].base },
        y: values[node.output].base, state: state)
    }
  }

  /// Folds the last ghost batch's statistics into the running ones.
  package func foldStatistics(into statistics: Floats) {
    for (node, state) in zip(network.nodes, states) {
      guard let layer = node.layer as? BatchNormLayer, let found = state.statistics else {
        continue
      }
      layer.fold(found, into: statistics.base)
    }
  }

  private func pass(_ mode: Pass.Mode, _ images: Int, _ parameters: Floats, _ statistics: Floats)
    -> Pass
  {
    precondition(images <= capacity, "\(images) images in an executor for \(capacity)")
    return Pass(
      mode: mode, images: images, team: team, parameters: parameters.base,
      statistics: statistics.base, gradients: gradients.base,
      work: Workspace(workspace, perLane: workspacePerLane), shared: shared.base)
  }

  private func gradient(of value: Int) -> FloatPointer? {
    valueGradients.slot[value].map { gradientSlots[$0].base }
  }

  /// Bytes that an executor and the arrays around it take, without making one: activations,
  /// gradients in flight, scratch, and `stateArrays` arrays as long as the parameters.
  package static func bytes(_ network: Network, capacity: Int, lanes: Int, stateArrays: Int) -> Int
  {
    let perImage =
      network.extents.reduce(0) { $0 + $1.count } + GradientPlan(network).sizes.reduce(0, +)
    let scratch = (network.nodes.map(\.layer.workspace).max() ?? 0) * lanes
    let shared = network.nodes.map(\.layer.shared).max() ?? 0
    let places = network.nodes.reduce(0) { $0 + $1.layer.places } * capacity
    let state = network.parameterCount * (stateArrays + 1)
    return 4 * (perImage * capacity + scratch + shared + state) + places
  }
}

/// Which values' gradients share memory: a gradient lives from its first consumer's backward to its
/// producer's, and its slot is free for another after that.
struct GradientPlan {
  /// For each value its slot; nil for the input, whose gradient nobody asks for.
  private(set) var slot: [Int?]
  /// Numbers an image of each slot.
  private(set) var sizes: [Int] = []

  init(_ network: Network) {
    slot = .init(repeating: nil, count: network.extents.count)
    var free: [Int] = []
    take(network.output, network, &free)
    for node in network.nodes.reversed() {
      for input in node.inputs where input != 0 && slot[input] == nil {
        take(input, network, &free)
      }
      if let done = slot[node.output] { free.append(done) }
    }
  }

  private mutating func take(_ value: Int, _ network: Network, _ free: inout [Int]) {
    let size = network.extents[value].count
    // The smallest free slot that fits, else the largest one, made larger.
    let fitting = free.filter { sizes[$0] >= size }.min { sizes[$0] < sizes[$1] }
    if let index = fitting ?? free.max(by: { sizes[$0] < sizes[$1] }) {
      free.removeAll { $0 == index }
      sizes[index] = max(sizes[index], size)
      slot[value] = index
    } else {
      slot[value] = sizes.count
      sizes.append(size)
    }
  }
}
