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
  private let fusion: Fusion
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
    fusion = needs.fusion
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
    plan = GradientPlan(network, needs.fusion)
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

  /// The view through which a value is seen by its consumers, and what is stored behind it.
  private lazy var lenses = network.extents.indices.map(lens)

  private func lens(_ value: Int) -> (view: Int?, stored: Int) {
    if let pool = fusion.pools.values.first(where: { network.nodes[$0.pool].output == value }) {
      return (pool.norm, value)
    }
    if let index = network.nodes.firstIndex(where: { $0.output == value }),
      !network.nodes[index].isStored
    {
      return (index, network.nodes[index].inputs[0])
    }
    return (nil, value)
  }

  /// Values as their consumers see them; nil for what never exists by itself: a convolution's result
  /// that a sum goes on with at once.
  private lazy var sources: [Source?] = network.extents.indices.map { value in
    let (view, stored) = lenses[value]
    guard let x = values[stored]?.base else { return nil }
    guard let view, case .view(let how) = network.nodes[view].operation else { return Source(x) }
    return norms[view]?.source(x) ?? Source(x, relu: how.relu)
  }

  private func source(_ value: Int) -> Source {
    guard let source = sources[value] else { preconditionFailure("value \(value) is nowhere") }
    return source
  }

  /// Nodes whose work a convolution before them has done.
  private lazy var done = Set(
    fusion.sums.values.map(\.sum) + fusion.pools.values.map(\.pool))

  private func pool(_ pool: FusedPool, _ pass: Pass) -> PoolBeforeNorm? {
    guard case .view(let view) = network.nodes[pool.norm].operation, let places = view.norm else {
      return nil
    }
    return PoolBeforeNorm(
      pool.layer.pooling, x: stored(network.nodes[pool.norm].inputs[0]),
      y: stored(network.nodes[pool.pool].output), arg: self.places[pool.pool].base,
      gamma: pass.parameters + places.gamma)
  }

  // MARK: - Forward

  package func forward(_ mode: Pass.Mode, images: Int, parameters: Floats, statistics: Floats) {
    let pass = pass(mode, images, parameters, statistics)
    for (index, node) in network.nodes.enumerated() where !done.contains(index) {
      let sum = fusion.sums[index]
      let output = sum?.output ?? node.output
      let gathers = mode == .training ? moments[output] : nil
      gathers?.begin()
      switch node.operation {
      case .layer(let layer as ConvolutionLayer):
        layer.forward(
          pass, y: stored(output), input: source(node.inputs[0]),
          addend: sum.map {
            Addend(source($0.other), factor: $0.factor, scalesOther: $0.scalesOther)
          }, moments: gathers, pool: fusion.pools[index].flatMap { self.pool($0, pass) })
      case .layer(let layer):
        layer.forward(
          pass, y: stored(node.output), inputs: node.inputs.map(source), moments: gathers,
          places: places[index].base)
      case .sum(let factor):
        let extent = network.extents[node.output]
        Elementwise.sum(
          stored(node.output), source(node.inputs[0]), source(node.inputs[1]), factor: factor,
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
          pass, dy: buffers[dy].base, inputs: node.inputs.map(source),
          targets: zip(node.inputs, targets).map { target($0, $1) }, places: places)
        observer?(node, .backward)
      case .finish(let index, let buffer):
        let value = network.nodes[index].output
        finish(value)?.all(
          buffers[buffer].base, images: images, pixels: network.extents[value].pixels, team: team)
        observer?(network.nodes[index], .backward)
      case .normBackward(let index, let g, let dx, let adds, let pool):
        normGradient(pass, index, g: buffers[g].base, pool: pool)?.write(
          buffers[dx].base, adds: adds, images: images, team: team)
        observer?(network.nodes[index], .normBackward)
      case .weights(let index, let norm, let g, let pool):
        let node = network.nodes[index]
        guard let layer = node.layer as? ConvolutionLayer,
          let gradient = normGradient(pass, norm, g: buffers[g].base, pool: pool)
        else { continue }
        layer.backwardWeights(pass, dy: .derived(gradient), input: source(node.inputs[0]))
        observer?(node, .backward)
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

  /// How a value's gradient is finished; nil where the value is seen as it is stored.
  private func finish(_ value: Int) -> GradientFinish? {
    guard let view = lenses[value].view else { return nil }
    return GradientFinish(
      source(value), channels: network.extents[value].channels, norm: norms[view])
  }

  private func normGradient(_ pass: Pass, _ index: Int, g: FloatPointer, pool: FusedPool?)
    -> NormGradient?
  {
    let node = network.nodes[index]
    guard let norm = norms[index], case .view(let view) = node.operation, let places = view.norm
    else { return nil }
    let extent = network.extents[node.output]
    return norm.backward(
      dgamma: pass.gradients + places.gamma, dbeta: pass.gradients + places.beta,
      gamma: pass.parameters + places.gamma, g: g, x: stored(node.inputs[0]),
      extent: (extent.height, extent.width), pool: pool.flatMap { self.pool($0, pass) })
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
    var fusion: Fusion
    var workspacePerLane: Int
    var shared: Int
    var places: Int

    init(_ network: Network, capacity: Int) {
      isStored = .init(repeating: true, count: network.extents.count)
      for node in network.nodes where !node.isStored { isStored[node.output] = false }
      fusion = Fusion(network)
      for node in fusion.sums.keys { isStored[network.nodes[node].output] = false }
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
      + GradientPlan(network, needs.fusion).sizes.reduce(0, +)
    let state = network.parameterCount * (stateArrays + 1)
    return 4 * (perImage * capacity + needs.workspacePerLane * lanes + needs.shared + state)
      + needs.places
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
