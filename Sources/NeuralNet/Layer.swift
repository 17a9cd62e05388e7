import Tensors

/// What a layer computes with: the arrays of the whole network and this ghost batch's size.
package struct Pass {
  package enum Mode: Sendable {
    /// Batch norm by the ghost batch's own statistics; what backward needs is kept.
    case training
    /// Batch norm by the running statistics.
    case inference
  }

  package let mode: Mode
  package let images: Int
  package let team: Team
  package let parameters: FloatPointer
  package let statistics: FloatPointer
  /// Of the mean loss over this ghost batch; every layer overwrites its own part.
  package let gradients: FloatPointer
  package let work: Workspace
  /// Scratch numbers of all lanes together.
  package let shared: FloatPointer
}

/// Where a gradient with respect to an input goes; nil where nobody asks for it.
package struct InputGradient {
  package let pointer: FloatPointer?
  /// Another consumer of the value has been here before: add.
  package let adds: Bool
}

/// What a layer keeps from forward to backward, one for each node.
package final class LayerState {
  package var statistics: BatchNormalization.Statistics?
  package let places: UnsafeMutablePointer<UInt8>

  package init(places count: Int) {
    places = .allocate(capacity: max(count, 1))
    places.initialize(repeating: 0, count: max(count, 1))
  }

  deinit { places.deallocate() }
}

/// One operation of a network: y from its inputs, and the gradients of inputs and parameters from dy.
package protocol Layer: Sendable {
  /// Scratch numbers a lane needs.
  var workspace: Int { get }
  /// Scratch numbers that all lanes need together.
  var shared: Int { get }
  /// Bytes an image that are kept from forward to backward.
  var places: Int { get }

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState)
  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState)
}

extension Layer {
  package var workspace: Int { 0 }
  package var shared: Int { 0 }
  package var places: Int { 0 }
}

struct ConvolutionLayer: Layer {
  let convolution: Convolution
  let weight: Int
  let needsInputGradient: Bool

  var workspace: Int { convolution.workspace }
  var shared: Int { convolution.shared }

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState) {
    convolution.forward(
      y, source: Source(inputs[0]), weights: pass.parameters + weight, images: pass.images,
      team: pass.team, work: pass.work, shared: pass.shared)
  }

  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState
  ) {
    convolution.backwardWeights(
      pass.gradients + weight, source: Source(inputs[0]), dy: dy, images: pass.images,
      team: pass.team, work: pass.work, shared: pass.shared)
    guard needsInputGradient, let dx = dInputs[0].pointer else { return }
    convolution.backwardData(
      dx, adds: dInputs[0].adds, dy: dy, weights: pass.parameters + weight, images: pass.images,
      team: pass.team, work: pass.work, shared: pass.shared)
  }
}

struct BatchNormLayer: Layer {
  let norm: BatchNormalization
  let pixels: Int
  let gamma: Int
  let beta: Int
  /// Place of the running mean; the running variance follows it.
  let statistic: Int

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState) {
    let (mean, variance): ([Double], [Double])
    switch pass.mode {
    case .training:
      let found = norm.statistics(
        of: inputs[0], images: pass.images, pixels: pixels, team: pass.team)
      state.statistics = found
      (mean, variance) = (found.mean, found.variance)
    case .inference:
      let running = pass.statistics + statistic
      mean = (0..<norm.channels).map { Double(running[$0]) }
      variance = (0..<norm.channels).map { Double(running[norm.channels + $0]) }
    }
    norm.normalize(
      y, x: inputs[0], mean: mean, variance: variance, gamma: pass.parameters + gamma,
      beta: pass.parameters + beta, images: pass.images, pixels: pixels, team: pass.team)
  }

  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState
  ) {
    guard let dx = dInputs[0].pointer, let statistics = state.statistics else {
      preconditionFailure("backward of a batch norm without forward in training mode")
    }
    norm.backward(
      dx: dx, addToDx: dInputs[0].adds, dgamma: pass.gradients + gamma,
      dbeta: pass.gradients + beta,
      dy: dy, x: inputs[0], y: y, statistics: statistics, gamma: pass.parameters + gamma,
      images: pass.images, pixels: pixels, team: pass.team)
  }

  /// r = (1 - 0.1) r + 0.1 s with the unbiased variance (the convention of Ioffe and Szegedy 2015 as
  /// the frameworks have it).
  func fold(_ found: BatchNormalization.Statistics, into running: FloatPointer) {
    let momentum = 0.1
    let unbias = Double(found.rows) / Double(max(found.rows - 1, 1))
    for c in 0..<norm.channels {
      let (mean, variance) = (running + statistic + c, running + statistic + norm.channels + c)
      mean.pointee = Float((1 - momentum) * Double(mean.pointee) + momentum * found.mean[c])
      variance.pointee = Float(
        (1 - momentum) * Double(variance.pointee) + momentum * found.variance[c] * unbias)
    }
  }
}

struct ReLULayer: Layer {
  let count: Int

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState) {
    Elementwise.relu(y, x: inputs[0], count: count * pass.images, team: pass.team)
  }

  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState
  ) {
    guard let dx = dInputs[0].pointer else { return }
    Elementwise.reluBackward(
      dx: dx, addToDx: dInputs[0].adds, dy: dy, y: y, count: count * pass.images, team: pass.team)
  }
}

struct MaxPoolLayer: Layer {
  let pooling: MaxPooling

  var places: Int { pooling.window.outHeight * pooling.window.outWidth * pooling.window.channels }

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState) {
    pooling.forward(y, arg: state.places, x: inputs[0], images: pass.images, team: pass.team)
  }

  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState
  ) {
    guard let dx = dInputs[0].pointer else { return }
    pooling.backward(
      dx: dx, addToDx: dInputs[0].adds, dy: dy, arg: state.places, images: pass.images,
      team: pass.team)
  }
}

struct GlobalMeanLayer: Layer {
  let mean: GlobalMean

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState) {
    mean.forward(y, x: inputs[0], images: pass.images, team: pass.team)
  }

  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState
  ) {
    guard let dx = dInputs[0].pointer else { return }
    mean.backward(dx: dx, addToDx: dInputs[0].adds, dy: dy, images: pass.images, team: pass.team)
  }
}

struct LinearLayer: Layer {
  let dense: Dense
  /// Place of the weights; the bias follows them.
  let weight: Int
  let needsInputGradient: Bool

  var shared: Int { dense.parameterCount * Cut.most }

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState) {
    let weights = pass.parameters + weight
    dense.forward(
      y, x: inputs[0], weights: weights, bias: weights + dense.inputs * dense.outputs,
      images: pass.images, team: pass.team)
  }

  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState
  ) {
    dense.backward(
      dx: needsInputGradient ? dInputs[0].pointer : nil, addToDx: dInputs[0].adds,
      dw: pass.gradients + weight, dy: dy, x: inputs[0], weights: pass.parameters + weight,
      partial: pass.shared, images: pass.images, team: pass.team)
  }
}

struct SumLayer: Layer {
  let count: Int

  func forward(_ pass: Pass, y: FloatPointer, inputs: [FloatPointer], state: LayerState) {
    Elementwise.sum(y, inputs[0], inputs[1], count: count * pass.images, team: pass.team)
  }

  func backward(
    _ pass: Pass, dInputs: [InputGradient], dy: FloatPointer, inputs: [FloatPointer],
    y: FloatPointer,
    state: LayerState
  ) {
    for gradient in dInputs {
      guard let dx = gradient.pointer else { continue }
      Elementwise.copy(
        dx, from: dy, adding: gradient.adds, count: count * pass.images, team: pass.team)
    }
  }
}
