/// The steps of backward and the memory of each, planned once for a network. Gradients of values share
/// buffers. A buffer is free again once the value's producer has read the gradient. A sum passes its
/// buffer on to its inputs, and the gradient of a view becomes that of the stored value in place.
struct GradientPlan {
  enum Step {
    case layer(node: Int, dy: Int, targets: [Target?])
    /// The mask and the sums of a view's gradient, where the last consumer has not done it.
    case finish(node: Int, buffer: Int)
    /// Batch norm's gradient, from that of its view, or of the pool that goes before it.
    case normBackward(node: Int, g: Int, dx: Int, adds: Bool, pool: FusedPool?)
    /// The gradient of a first convolution's weights, through the norm behind it.
    case weights(node: Int, norm: Int, g: Int, pool: FusedPool?)
    /// to (+)= factor * from, for a value.
    case add(value: Int, from: Int, to: Int, factor: Float, adds: Bool)
  }

  struct Target {
    var buffer: Int
    var adds: Bool
    /// This consumer is the last one, and finishes the gradient of the view that it reads.
    var finishes: Bool
  }

  private(set) var steps: [Step] = []
  /// Numbers an image of each buffer.
  private(set) var sizes: [Int] = []
  /// Where the gradient of the network's output is put.
  private(set) var output = 0

  /// For each value the buffer of its gradient while there is one.
  private var holder: [Int: Int] = [:]
  /// How many values' gradients each buffer is at the moment.
  private var owners: [Int] = []

  init(_ network: Network, _ fusion: Fusion) {
    var firstConsumer: [Int: Int] = [:]
    for (index, node) in network.nodes.enumerated() {
      for input in node.inputs where firstConsumer[input] == nil { firstConsumer[input] = index }
    }
    let pools = Dictionary(uniqueKeysWithValues: fusion.pools.values.map { ($0.pool, $0) })
    output = take(network.extents[network.output].count)
    holder[network.output] = output
    for (index, node) in network.nodes.enumerated().reversed() {
      guard let dy = holder[node.output] else { continue }
      switch node.operation {
      case .layer where pools[index] != nil:
        if !isFinished(node.output, by: firstConsumer, network) {
          own(node.output, network)
          steps.append(.finish(node: index, buffer: holder[node.output]!))
        }
        guard let pool = pools[index] else { continue }
        let g = holder[node.output]!
        if let maker = fusion.derived[pool.norm] {
          steps.append(.weights(node: maker, norm: pool.norm, g: g, pool: pool))
        } else {
          let x = network.nodes[pool.norm].inputs[0]
          let adds = claim(x, network)
          steps.append(
            .normBackward(node: pool.norm, g: g, dx: holder[x]!, adds: adds, pool: pool))
        }
        release(node.output)
      case .layer:
        let targets = node.inputs.map { input -> Target? in
          guard input != 0 else { return nil }
          let adds = claim(input, network)
          return Target(
            buffer: holder[input]!, adds: adds, finishes: firstConsumer[input] == index)
        }
        steps.append(.layer(node: index, dy: dy, targets: targets))
        release(node.output)
      case .sum(let factor):
        for (input, factor) in zip(node.inputs, [1, factor]) where input != 0 {
          if holder[input] == nil && factor == 1 {
            holder[input] = dy
            owners[dy] += 1
          } else {
            let adds = claim(input, network)
            steps.append(
              .add(value: input, from: dy, to: holder[input]!, factor: factor, adds: adds))
          }
        }
        release(node.output)
      case .view(let view):
        backward(
          view, index, node, network,
          isFinished: isFinished(node.output, by: firstConsumer, network),
          weightsOf: fusion.derived[index])
      }
    }
  }

  /// Whether the last consumer of a view is a layer: it finishes the gradient itself.
  private func isFinished(_ value: Int, by firstConsumer: [Int: Int], _ network: Network) -> Bool {
    guard let index = firstConsumer[value] else { return false }
    if case .layer = network.nodes[index].operation { return true }
    return false
  }

  private mutating func backward(
    _ view: View, _ index: Int, _ node: Node, _ network: Network, isFinished: Bool,
    weightsOf maker: Int?
  ) {
    let (shown, x) = (node.output, node.inputs[0])
    if !isFinished {
      // A mask is written into the gradient, which must be the view's alone then.
      if view.relu { own(shown, network) }
      steps.append(.finish(node: index, buffer: holder[shown]!))
    }
    let g = holder[shown]!
    guard view.norm != nil else {
      if holder[x] == nil {
        holder[x] = g
        holder[shown] = nil
      } else {
        own(x, network)
        steps.append(.add(value: x, from: g, to: holder[x]!, factor: 1, adds: true))
        release(shown)
      }
      return
    }
    if let maker {
      steps.append(.weights(node: maker, norm: index, g: g, pool: nil))
      release(shown)
    } else if holder[x] == nil && owners[g] == 1 {
      holder[x] = g
      holder[shown] = nil
      steps.append(.normBackward(node: index, g: g, dx: g, adds: false, pool: nil))
    } else {
      let adds = claim(x, network)
      steps.append(.normBackward(node: index, g: g, dx: holder[x]!, adds: adds, pool: nil))
      release(shown)
    }
  }

  /// Gives a value's gradient memory that may be written; says whether there is something in it.
  private mutating func claim(_ value: Int, _ network: Network) -> Bool {
    guard holder[value] != nil else {
      holder[value] = take(network.extents[value].count)
      return false
    }
    own(value, network)
    return true
  }

  /// Copies a value's gradient where others hold the same buffer.
  private mutating func own(_ value: Int, _ network: Network) {
    guard let shared = holder[value], owners[shared] > 1 else { return }
    let copy = take(network.extents[value].count)
    steps.append(.add(value: value, from: shared, to: copy, factor: 1, adds: false))
    owners[shared] -= 1
    holder[value] = copy
  }

  private mutating func release(_ value: Int) {
    guard let buffer = holder.removeValue(forKey: value) else { return }
    owners[buffer] -= 1
  }

  /// The smallest free buffer that fits, else the largest one, made larger.
  private mutating func take(_ size: Int) -> Int {
    let free = owners.indices.filter { owners[$0] == 0 }
    let fitting = free.filter { sizes[$0] >= size }.min { sizes[$0] < sizes[$1] }
    guard let index = fitting ?? free.max(by: { sizes[$0] < sizes[$1] }) else {
      sizes.append(size)
      owners.append(1)
      return sizes.count - 1
    }
    sizes[index] = max(sizes[index], size)
    owners[index] = 1
    return index
  }
}
