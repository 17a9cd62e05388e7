import Tensors

/// A network as data: values, and the layers that make one from others, in the order in which they
/// are computed. Built once, executed by `Executor`, described to checkpoints and reports.

/// Height, width and channels of one image's value; a vector is 1 x 1 x n.
package struct Extent: Hashable, Sendable {
  package var height: Int
  package var width: Int
  package var channels: Int

  package init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }

  package var pixels: Int { height * width }
  package var count: Int { height * width * channels }
}

/// A value that flows through the network: its index and its extent.
package struct Value: Sendable {
  package let index: Int
  package let extent: Extent
}

/// How a value that is never stored is seen: another one through batch norm, ReLU or both.
package struct View: Sendable {
  package let relu: Bool
  package let norm: Norm?

  package struct Norm: Sendable {
    /// Places of the parameters, and of the running mean, behind which is the running variance.
    let gamma: Int
    let beta: Int
    let statistic: Int
  }
}

package struct Parameter: Sendable {
  package enum Kind: Sendable { case weight, gamma, beta, bias }

  package enum Start: Sendable {
    /// Normal with variance `gain`^2 / fan-in (He et al. 2015 with gain sqrt 2).
    case normal(fanIn: Int, gain: Double)
    case constant(Float)
  }

  package let name: String
  package let shape: [Int]
  package let kind: Kind
  package let start: Start
  /// Place in the flat array of all parameters.
  package let offset: Int

  package var count: Int { shape.reduce(1, *) }
}

/// The running mean and, behind it, the running variance of one batch norm.
package struct RunningStatistic: Sendable {
  package let name: String
  package let channels: Int
  /// Place of the mean in the flat array of all running statistics.
  package let offset: Int
}

package struct Node: Sendable {
  package enum Operation: Sendable {
    case layer(any Layer)
    /// The only input seen otherwise; costs its consumers a few operations and no memory.
    case view(View)
    /// The first input plus the second one times a factor.
    case sum(factor: Float)
  }

  package let name: String
  package let operation: Operation
  package let inputs: [Int]
  package let output: Int
}

package struct Network: Sendable {
  package let input: Extent
  package let output: Int
  package let extents: [Extent]
  package let nodes: [Node]
  package let parameters: [Parameter]
  package let statistics: [RunningStatistic]

  package var classes: Int { extents[output].channels }
  package var parameterCount: Int { parameters.last.map { $0.offset + $0.count } ?? 0 }
  /// Multiplications of one image's way forward, by definition.
  package var products: Int { nodes.compactMap(\.layer?.products).reduce(0, +) }
  package var statisticCount: Int { statistics.last.map { $0.offset + 2 * $0.channels } ?? 0 }
}

/// Writes a network down, one call a layer.
package struct NetworkBuilder {
  package let input: Value
  private var extents: [Extent]
  private var nodes: [Node] = []
  private var parameters: [Parameter] = []
  private var statistics: [RunningStatistic] = []

  package init(input: Extent) {
    self.input = Value(index: 0, extent: input)
    extents = [input]
  }

  /// Padded to keep the size at stride 1 unless `pad` says otherwise. A bias only where no batch norm
  /// follows; the gain is sqrt 2 in front of a ReLU and 1 elsewhere.
  package mutating func convolution(
    _ name: String, _ x: Value, to channels: Int, kernel: (Int, Int), stride: Int = 1,
    pad: Int? = nil, bias: Bool = false, gain: Double = 2.0.squareRoot()
  ) -> Value {
    let window = Window(
      height: x.extent.height, width: x.extent.width, channels: x.extent.channels,
      kernel: kernel, stride: (stride, stride),
      pad: (pad ?? (kernel.0 - 1) / 2, pad ?? (kernel.1 - 1) / 2))
    let fanIn = kernel.0 * kernel.1 * x.extent.channels
    let weight = parameter(
      name + ".weight", [kernel.0, kernel.1, x.extent.channels, channels], .weight,
      .normal(fanIn: fanIn, gain: gain))
    let layer = ConvolutionLayer(
      convolution: Convolution(window, outputChannels: channels), weight: weight,
      bias: bias ? parameter(name + ".bias", [channels], .bias, .constant(0)) : nil)
    return add(
      name, .layer(layer), [x],
      Extent(height: window.outHeight, width: window.outWidth, channels: channels))
  }

  package mutating func convolution(
    _ name: String, _ x: Value, to channels: Int, kernel: Int, stride: Int = 1, pad: Int? = nil
  ) -> Value {
    convolution(name, x, to: channels, kernel: (kernel, kernel), stride: stride, pad: pad)
  }

  package mutating func batchNorm(_ name: String, _ x: Value, relu: Bool, gamma start: Float = 1)
    -> Value
  {
    let channels = x.extent.channels
    let gamma = parameter(name + ".gamma", [channels], .gamma, .constant(start))
    let beta = parameter(name + ".beta", [channels], .beta, .constant(0))
    let offset = statistics.last.map { $0.offset + 2 * $0.channels } ?? 0
    statistics.append(RunningStatistic(name: name, channels: channels, offset: offset))
    return view(
      name, x,
      View(relu: relu, norm: .init(gamma: gamma, beta: beta, statistic: offset)))
  }

  package mutating func relu(_ name: String, _ x: Value) -> Value {
    view(name, x, View(relu: true, norm: nil))
  }

  private mutating func view(_ name: String, _ x: Value, _ view: View) -> Value {
    let isStored = !nodes.contains {
      if case .view = $0.operation { $0.output == x.index } else { false }
    }
    precondition(isStored && x.index != input.index, "\(name) is a view of a view or of the input")
    return add(name, .view(view), [x], x.extent)
  }

  package mutating func maxPool(_ name: String, _ x: Value, kernel: Int, stride: Int, pad: Int = 0)
    -> Value
  {
    let window = Window(
      height: x.extent.height, width: x.extent.width, channels: x.extent.channels,
      kernel: (kernel, kernel), stride: (stride, stride), pad: (pad, pad))
    return add(
      name, .layer(MaxPoolLayer(pooling: MaxPooling(window))), [x],
      Extent(height: window.outHeight, width: window.outWidth, channels: x.extent.channels))
  }

  /// Means of what is inside of the image.
  package mutating func averagePool(
    _ name: String, _ x: Value, kernel: Int, stride: Int, pad: Int = 0
  ) -> Value {
    let window = Window(
      height: x.extent.height, width: x.extent.width, channels: x.extent.channels,
      kernel: (kernel, kernel), stride: (stride, stride), pad: (pad, pad))
    return add(
      name, .layer(AveragePoolLayer(pooling: AveragePooling(window))), [x],
      Extent(height: window.outHeight, width: window.outWidth, channels: x.extent.channels))
  }

  /// Branches side by side, by channel.
  package mutating func concatenation(_ name: String, _ parts: [Value]) -> Value {
    var extent = parts[0].extent
    precondition(
      parts.allSatisfy { $0.extent.height == extent.height && $0.extent.width == extent.width },
      "\(name) concatenates \(parts.map(\.extent))")
    extent.channels = parts.reduce(0) { $0 + $1.extent.channels }
    let layer = ConcatenationLayer(
      concatenation: Concatenation(pixels: extent.pixels, channels: parts.map(\.extent.channels)))
    return add(name, .layer(layer), parts, extent)
  }

  package mutating func globalMean(_ name: String, _ x: Value) -> Value {
    let channels = x.extent.channels
    return add(
      name,
      .layer(GlobalMeanLayer(mean: GlobalMean(pixels: x.extent.pixels, channels: channels))), [x],
      Extent(height: 1, width: 1, channels: channels))
  }

  /// Flattens its input. The gain is 1 in front of the loss and sqrt 2 in front of a ReLU.
  package mutating func linear(_ name: String, _ x: Value, to outputs: Int, gain: Double = 1)
    -> Value
  {
    let inputs = x.extent.count
    let weight = parameter(
      name + ".weight", [inputs, outputs], .weight, .normal(fanIn: inputs, gain: gain))
    _ = parameter(name + ".bias", [outputs], .bias, .constant(0))
    let dense = Dense(pixels: x.extent.pixels, channels: x.extent.channels, outputs: outputs)
    return add(
      name, .layer(LinearLayer(dense: dense, weight: weight)), [x],
      Extent(height: 1, width: 1, channels: outputs))
  }

  /// a + factor * b
  package mutating func sum(_ name: String, _ a: Value, _ b: Value, factor: Float = 1) -> Value {
    precondition(a.extent == b.extent, "\(name) adds \(a.extent) and \(b.extent)")
    return add(name, .sum(factor: factor), [a, b], a.extent)
  }

  package func network(output: Value) -> Network {
    Network(
      input: input.extent, output: output.index, extents: extents, nodes: nodes,
      parameters: parameters, statistics: statistics)
  }

  private mutating func parameter(
    _ name: String, _ shape: [Int], _ kind: Parameter.Kind, _ start: Parameter.Start
  ) -> Int {
    let offset = parameters.last.map { $0.offset + $0.count } ?? 0
    parameters.append(Parameter(name: name, shape: shape, kind: kind, start: start, offset: offset))
    return offset
  }

  private mutating func add(
    _ name: String, _ operation: Node.Operation, _ inputs: [Value], _ extent: Extent
  ) -> Value {
    let value = Value(index: extents.count, extent: extent)
    extents.append(extent)
    nodes.append(
      Node(
        name: name, operation: operation, inputs: inputs.map(\.index), output: value.index))
    return value
  }
}
