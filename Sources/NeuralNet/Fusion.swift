import Tensors

/// Operations that a convolution in front of them does while its result is in the cache.
struct Fusion {
  /// By the convolution's node.
  let sums: [Int: FusedSum]
  let pools: [Int: FusedPool]
  /// Batch norms directly behind a first convolution, by node, with the convolution's node. The gradient
  /// of such a norm is computed line by line while the gradient of the convolution's weights reads it;
  /// no other operation needs it.
  let derived: [Int: Int]

  init(_ network: Network) {
    sums = FusedSum.all(of: network)
    pools = FusedPool.all(of: network)
    var derived: [Int: Int] = [:]
    for (index, node) in network.nodes.enumerated() {
      guard case .view(let view) = node.operation, view.norm != nil,
        network.consumers(of: node.inputs[0]) == [index],
        let maker = network.maker(of: node.inputs[0]), network.nodes[maker].inputs == [0],
        let layer = network.nodes[maker].layer as? ConvolutionLayer, layer.bias == nil,
        layer.convolution.readsDerivedGradients
      else { continue }
      derived[index] = maker
    }
    self.derived = derived
  }
}

/// A sum computed where its last operand, a convolution's result that nobody else wants, is written.
struct FusedSum {
  /// The sum's node and value.
  let sum: Int
  let output: Int
  /// The operand that is there already.
  let other: Int
  let factor: Float
  let scalesOther: Bool

  fileprivate static func all(of network: Network) -> [Int: FusedSum] {
    var found: [Int: FusedSum] = [:]
    for (index, node) in network.nodes.enumerated() {
      guard case .sum(let factor) = node.operation, node.inputs[0] != node.inputs[1] else {
        continue
      }
      let makers = node.inputs.map { network.maker(of: $0) ?? -1 }
      let last = makers[0] > makers[1] ? 0 : 1
      let (maker, value) = (makers[last], node.inputs[last])
      guard maker >= 0, network.consumers(of: value).count == 1,
        network.nodes[maker].layer is ConvolutionLayer
      else { continue }
      found[maker] = FusedSum(
        sum: index, output: node.output, other: node.inputs[1 - last], factor: factor,
        scalesOther: last == 0)
    }
    return found
  }
}

/// A max pool that alone reads a batch norm, which alone reads a convolution's result. The pool is
/// computed before the norm (see `PoolBeforeNorm`): its output is stored as it is before the norm, and
/// consumers of the output read it through the norm.
struct FusedPool {
  /// Nodes.
  let norm: Int
  let pool: Int
  let layer: MaxPoolLayer

  fileprivate static func all(of network: Network) -> [Int: FusedPool] {
    var found: [Int: FusedPool] = [:]
    for (index, node) in network.nodes.enumerated() {
      guard let layer = node.layer as? MaxPoolLayer, let norm = network.maker(of: node.inputs[0]),
        case .view(let view) = network.nodes[norm].operation, view.norm != nil,
        network.consumers(of: node.inputs[0]) == [index]
      else { continue }
      let value = network.nodes[norm].inputs[0]
      guard let maker = network.maker(of: value), network.nodes[maker].layer is ConvolutionLayer,
        network.consumers(of: value) == [norm], network.output != node.output,
        // A view of the pool's output would be one of a view.
        network.consumers(of: node.output).allSatisfy({ network.nodes[$0].isStored })
      else { continue }
      found[maker] = FusedPool(norm: norm, pool: index, layer: layer)
    }
    return found
  }
}

extension Network {
  fileprivate func maker(of value: Int) -> Int? { nodes.firstIndex { $0.output == value } }

  fileprivate func consumers(of value: Int) -> [Int] {
    nodes.indices.filter { nodes[$0].inputs.contains(value) }
  }
}

extension Node {
  var layer: (any Layer)? {
    if case .layer(let layer) = operation { layer } else { nil }
  }

  /// Whether its output takes memory.
  var isStored: Bool {
    if case .view = operation { false } else { true }
  }
}
