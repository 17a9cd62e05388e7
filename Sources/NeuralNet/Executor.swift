import Tensors

/// Runs a network over ghost batches of up to `capacity` images: forward, loss, backward. Owns the
/// activations and scratch memory; parameters and statistics are the caller's.
package final class Executor {
  package let network: Network
  package let capacity: Int
  package let gradients: Floats
  private let team: Team
  /// Nil for values that are only views of others.
  private let values: [Floats?]
  /// For each value that batch norms look at.
  private let moments: [Moments?]
  /// By node.
  private let norms: [BatchNormalization?]
  private let places: [Places]
  /// Sums that the convolution in front of them computes, by the node of the convolution.
  private let epilogues: [Int: Epilogue]
  private let plan: GradientPlan
  private let buffers: [Floats]
  private let workspace: Floats
  private let workspacePerLane: Int
  private let shared: Floats
  /// Told after each operation of a pass what it was: for benchmarks, which hold the clock.
  package var observer: ((_ node: Node, _ step: Step) -> Void)?

  package enum Step: String, Sendable { case forward, backward, normBackward, add }

  package init(_ network: Network, capacity: Int, team: Team) {
    precondition(capacity > 0, "a ghost batch of \(capacity)")
    let needs = Needs(network, capacity: capacity)
    self.network = network
    self.capacity = capacity
    self.team = team
    gradients = Floats(count: network.parameterCount)
    values = zip(network.extents, needs.isStored).map { extent, isStored in
      isStored ? Floats(count: extent.count * capacity) : nil
    }
    epilogues = needs.epilogues
    let norms = network.nodes.map { node -> BatchNormalization? in
      guard case .view(let view) = node.operation, view.norm != nil else { return nil }
      return BatchNormalization(
        channels: network.extents[node.output].channels, relu: view.relu)
    }
    self.norms = norms
    moments = network.extents.indices.map { value in
      let isNormalized = zip(network.nodes, norms).contains { $1 != nil && $0.inputs[0] == value }
      return isNormalized ? Moments(channels: network.extents[value].channels) : nil
    }
    places = network.nodes.map { Places($0.layer?.places ?? 0, images: capacity) }
    plan = GradientPlan(network)
    buffers = plan.sizes.map { Floats(count: $0 * capacity) }
    workspacePerLane = needs.workspacePerLane
    workspace = Floats(count: workspacePerLane * team.size)
    shared = Floats(count: needs.shared)
  }

  /// Where the caller puts the images: [images][height][width][channels].
  package var input: FloatPointer { stored(0) }
  /// [images][classes] after `forward`.
  package var logits: FloatPointer { stored(network.output) }

  private func stored(_ value: Int) -> FloatPointer {
    guard let floats = values[value] else { preconditionFailure("value \(value) is a view") }
    return floats.base
  }

  /// A value as its consumers see it.
  private func source(_ value: Int) -> Source {
    guard values[value] == nil else { return Source(stored(value)) }
    guard let index = network.nodes.firstIndex(where: { $0.output == value }),
      case .view(let view) = network.nodes[index].operation
    else { preconditionFailure("value \(value) is neither stored nor a view") }
    let x = stored(network.nodes[index].inputs[0])
    return norms[index]?.source(x) ?? Source(x, relu: view.relu)
  }

  private lazy var sources: [Source] = network.extents.indices.map { value in
    isInside(value) ? Source(stored(0)) : source(value)
  }

  /// Whether a value never exists by itself: a convolution's result that a sum goes on with at once.
  private func isInside(_ value: Int) -> Bool {
    epilogues.keys.contains { network.nodes[$0].output == value }
  }

  private lazy var sumsInEpilogues = Set(epilogues.values.map(\.sum))

  // MARK: - Forward

  package func forward(_ mode: Pass.Mode, images: Int, parameters: Floats, statistics: Floats) {
    let pass = pass(mode, images, parameters, statistics)
    for (index, node) in network.nodes.enumerated() where !sumsInEpilogues.contains(index) {
      let epilogue = epilogues[index]
      let output = epilogue?.output ?? node.output
      let gathers = mode == .training ? moments[output] : nil
      gathers?.begin()
      switch node.operation {
      case .layer(let layer as ConvolutionLayer) where epilogue != nil:
        layer.forward(
          pass, y: stored(output), input: sources[node.inputs[0]],
          addend: epilogue.map {
            Addend(sources[$0.other], factor: $0.factor, scalesOther: $0.scalesOther)
          }, moments: gathers)
      case .layer(let layer):
        layer.forward(
          pass, y: stored(node.output), inputs: node.inputs.map { sources[$0] }, moments: gathers,
          places: places[index].base)
      case .sum(let factor):
        let extent = network.extents[node.output]
        Elementwise.sum(
          stored(node.output), sources[node.inputs[0]], sources[node.inputs[1]], factor: factor,
          images: images, pixels: extent.pixels, channels: extent.channels, team: team,
          moments: gathers)
      case .view(let view):
        guard let norm = norms[index], let places = view.norm else { continue }
        let (gamma, beta) = (pass.parameters + places.gamma, pass.parameters + places.beta)
        if mode == .training, let moments = moments[node.inputs[0]] {
          norm.use(moments, gamma: gamma, beta: beta)
        } else {
          let running = pass.statistics + places.statistic
          norm.use(
            runningMean: running, runningVariance: running + norm.channels, gamma: gamma,
            beta: beta)
        }
      }
      observer?(node, .forward)
    }
  }

  /// Loss of each image and, in training, the gradient of the mean loss over the images.
  package func loss(labels: [Int32], smoothing: Double, training: Bool) -> CrossEntropy.Result {
    CrossEntropy.evaluate(
      logits: logits, labels: labels, classes: network.classes, smoothing: smoothing,
      dlogits: training ? buffers[plan.output].base : nil, scale: 1 / Double(labels.count))
  }

  // MARK: - Backward

  /// Fills `gradients`, after `forward` in training mode and `loss`.
  package func backward(images: Int, parameters: Floats, statistics: Floats) {
    let pass = pass(.training, images, parameters, statistics)
    for norm in norms { norm?.beginBackward() }
    for step in plan.steps {
      switch step {
      case .layer(let index, let dy, let targets):
        let node = network.nodes[index]
        let places = places[index].base
        node.layer?.backward(
          pass, dy: buffers[dy].base, inputs: node.inputs.map { sources[$0] },
          targets: zip(node.inputs, targets).map { target($0, $1) }, places: places)
        observer?(node, .backward)
      case .finish(let index, let buffer):
        let value = network.nodes[index].output
        finish(value)?.all(
          buffers[buffer].base, images: images, pixels: network.extents[value].pixels, team: team)
        observer?(network.nodes[index], .backward)
      case .normBackward(let index, let g, let dx, let adds):
        normBackward(pass, index, g: buffers[g].base, dx: buffers[dx].base, adds: adds)
        observer?(network.nodes[index], .normBackward)
      case .add(let value, let from, let to, let factor, let adds):
        Elementwise.add(
          buffers[to].base, from: buffers[from].base, factor: factor, adding: adds,
          count: network.extents[value].count * images, team: team)
        if let node = network.nodes.first(where: { $0.output == value }) { observer?(node, .add) }
      }
    }
  }

  private func target(_ value: Int, _ target: GradientPlan.Target?) -> GradientTarget? {
    target.map {
      GradientTarget(
        pointer: buffers[$0.buffer].base, adds: $0.adds, finish: $0.finishes ? finish(value) : nil)
    }
  }

  /// How a value's gradient is finished; nil where the value is stored.
  private func finish(_ value: Int) -> GradientFinish? {
    guard values[value] == nil,
      let index = network.nodes.firstIndex(where: { $0.output == value })
    else { return nil }
    return GradientFinish(
      sources[value], channels: network.extents[value].channels, norm: norms[index])
  }

  private func normBackward(
    _ pass: Pass, _ index: Int, g: FloatPointer, dx: FloatPointer, adds: Bool
  ) {
    let node = network.nodes[index]
    guard let norm = norms[index], case .view(let view) = node.operation, let places = view.norm
    else { return }
    norm.backward(
      dx, adds: adds, dgamma: pass.gradients + places.gamma, dbeta: pass.gradients + places.beta,
      g: g, x: stored(node.inputs[0]), gamma: pass.parameters + places.gamma, images: pass.images,
      pixels: network.extents[node.output].pixels, team: team)
  }

  /// Folds the last ghost batch's statistics into the running ones:
  /// r = (1 - 0.1) r + 0.1 s with the unbiased variance (the convention of Ioffe and Szegedy 2015 as
  /// the frameworks have it).
  package func foldStatistics(into statistics: Floats) {
    let momentum = 0.1
    for (node, norm) in zip(network.nodes, norms) {
      guard case .view(let view) = node.operation, let places = view.norm,
        let found = norm?.statistics
      else { continue }
      let unbias = Double(found.rows) / Double(max(found.rows - 1, 1))
      let mean = statistics.base + places.statistic
      let variance = mean + found.mean.count
      for c in 0..<found.mean.count {
        mean[c] = Float((1 - momentum) * Double(mean[c]) + momentum * found.mean[c])
        variance[c] = Float(
          (1 - momentum) * Double(variance[c]) + momentum * found.variance[c] * unbias)
      }
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

  // MARK: - Memory

  /// What an executor allocates, known before there is one.
  private struct Needs {
    var isStored: [Bool]
    var epilogues: [Int: Epilogue]
    var workspacePerLane: Int
    var shared: Int
    var places: Int

    init(_ network: Network, capacity: Int) {
      isStored = .init(repeating: true, count: network.extents.count)
      for node in network.nodes {
        if case .view = node.operation { isStored[node.output] = false }
      }
      epilogues = Epilogue.all(of: network)
      for node in epilogues.keys { isStored[network.nodes[node].output] = false }
      let layers = network.nodes.compactMap(\.layer)
      // Lanes write to scratch of their own, a cache line apart.
      let most = layers.map { $0.workspace(images: capacity) }.max() ?? 0
      workspacePerLane = (most + 15) / 16 * 16
      shared = layers.map(\.shared).max() ?? 0
      places = layers.reduce(0) { $0 + $1.places } * capacity
    }
  }

  /// Bytes that an executor and the arrays around it take, without making one: activations,
  /// gradients in flight, scratch, and `stateArrays` arrays as long as the parameters.
  package static func bytes(_ network: Network, capacity: Int, lanes: Int, stateArrays: Int) -> Int
  {
    let needs = Needs(network, capacity: capacity)
    let perImage =
      zip(network.extents, needs.isStored).reduce(0) { $0 + ($1.1 ? $1.0.count : 0) }
      + GradientPlan(network).sizes.reduce(0, +)
    let state = network.parameterCount * (stateArrays + 1)
    return 4 * (perImage * capacity + needs.workspacePerLane * lanes + needs.shared + state)
      + needs.places
  }
}

/// A sum computed where its last operand, a convolution's result that nobody else wants, is written.
private struct Epilogue {
  /// The sum's node and value.
  let sum: Int
  let output: Int
  /// The operand that is there already.
  let other: Int
  let factor: Float
  let scalesOther: Bool

  /// By the convolution's node.
  static func all(of network: Network) -> [Int: Epilogue] {
    var found: [Int: Epilogue] = [:]
    for (index, node) in network.nodes.enumerated() {
      guard case .sum(let factor) = node.operation, node.inputs[0] != node.inputs[1] else {
        continue
      }
      let makers = node.inputs.map { input in network.nodes.firstIndex { $0.output == input } ?? -1
      }
      let last = makers[0] > makers[1] ? 0 : 1
      let (maker, value) = (makers[last], node.inputs[last])
      let uses = network.nodes.count { $0.inputs.contains(value) }
      guard maker >= 0, uses == 1, network.nodes[maker].layer is ConvolutionLayer else { continue }
      found[maker] = Epilogue(
        sum: index, output: node.output, other: node.inputs[1 - last], factor: factor,
        scalesOther: last == 0)
    }
    return found
  }
}

/// Bytes that a layer keeps from forward to backward.
private final class Places {
  let base: UnsafeMutablePointer<UInt8>

  init(_ perImage: Int, images: Int) {
    let count = max(perImage * images, 1)
    base = .allocate(capacity: count)
    base.initialize(repeating: 0, count: count)
  }

  deinit { base.deallocate() }
}

extension Node {
  var layer: (any Layer)? {
    if case .layer(let layer) = operation { layer } else { nil }
  }
}
