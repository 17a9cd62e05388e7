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

/// Where the gradient with respect to an input goes.
package struct GradientTarget {
  package let pointer: FloatPointer
  /// Another consumer of the value has been here before: add.
  package let adds: Bool
  /// What to do to rows when this consumer, the last one, has written them.
  package let finish: GradientFinish?
}

/// One operation of a network: y from its inputs, and the gradients of inputs and parameters from dy.
/// Inputs come as their consumers see them, so a layer reads through batch norm and ReLU.
package protocol Layer: Sendable {
  /// Scratch numbers a lane needs for ghost batches of so many images.
  func workspace(images: Int) -> Int
  /// Scratch numbers that all lanes need together.
  var shared: Int { get }
  /// Bytes an image that are kept from forward to backward.
  var places: Int { get }
  /// Multiplications an image, by definition.
  var products: Int { get }

  /// `moments`, unless nil, gathers the rows of y.
  func forward(
    _ pass: Pass, y: FloatPointer, inputs: [Source], moments: Moments?,
    places: UnsafeMutablePointer<UInt8>)
  /// `targets` are nil where nobody asks for an input's gradient.
  func backward(
    _ pass: Pass, dy: FloatPointer, inputs: [Source], targets: [GradientTarget?],
    places: UnsafeMutablePointer<UInt8>)
}

extension Layer {
  package func workspace(images: Int) -> Int { 0 }
  package var shared: Int { 0 }
  package var places: Int { 0 }
  package var products: Int { 0 }
}

struct ConvolutionLayer: Layer {
  let convolution: Convolution
  let weight: Int
  let bias: Int?

  func workspace(images: Int) -> Int { convolution.workspace }
  var shared: Int { convolution.shared }
  var products: Int {
    convolution.weightCount * convolution.window.outHeight * convolution.window.outWidth
  }

  func forward(
    _ pass: Pass, y: FloatPointer, inputs: [Source], moments: Moments?,
    places: UnsafeMutablePointer<UInt8>
  ) {
    forward(pass, y: y, input: inputs[0], moments: moments)
  }

  /// With a sum behind it, whose rows are what `moments` gathers, or with a pool.
  func forward(
    _ pass: Pass, y: FloatPointer, input: Source, addend: Addend? = nil, moments: Moments?,
    pool: PoolBeforeNorm? = nil
  ) {
    convolution.forward(
      y, source: input, weights: pass.parameters + weight, bias: bias.map { pass.parameters + $0 },
      addend: addend, images: pass.images,
      team: pass.team, work: pass.work, shared: pass.shared, moments: moments, pool: pool)
  }

  func backward(
    _ pass: Pass, dy: FloatPointer, inputs: [Source], targets: [GradientTarget?],
    places: UnsafeMutablePointer<UInt8>
  ) {
    backwardWeights(pass, dy: .stored(dy), input: inputs[0])
    if let bias {
      convolution.backwardBias(
        pass.gradients + bias, dy: dy, images: pass.images, team: pass.team, shared: pass.shared)
    }
    guard let target = targets[0] else { return }
    convolution.backwardData(
      target.pointer, adds: target.adds, dy: dy, weights: pass.parameters + weight,
      images: pass.images, team: pass.team, work: pass.work, shared: pass.shared,
      finish: target.finish)
  }
}

extension ConvolutionLayer {
  func backwardWeights(_ pass: Pass, dy: OutputGradient, input: Source) {
    convolution.backwardWeights(
      pass.gradients + weight, source: input, dy: dy, images: pass.images, team: pass.team,
      work: pass.work, shared: pass.shared)
  }
}

struct MaxPoolLayer: Layer {
  let pooling: MaxPooling

  var places: Int { pooling.window.outHeight * pooling.window.outWidth * pooling.window.channels }

  func forward(
    _ pass: Pass, y: FloatPointer, inputs: [Source], moments: Moments?,
    places: UnsafeMutablePointer<UInt8>
  ) {
    pooling.forward(
      y, arg: places, source: inputs[0], images: pass.images, team: pass.team, moments: moments)
  }

  func backward(
    _ pass: Pass, dy: FloatPointer, inputs: [Source], targets: [GradientTarget?],
    places: UnsafeMutablePointer<UInt8>
  ) {
    guard let target = targets[0] else { return }
    pooling.backward(
      target.pointer, adds: target.adds, dy: dy, arg: places, images: pass.images,
      team: pass.team, finish: target.finish)
  }
}

struct AveragePoolLayer: Layer {
  let pooling: AveragePooling

  func forward(
    _ pass: Pass, y: FloatPointer, inputs: [Source], moments: Moments?,
    places: UnsafeMutablePointer<UInt8>
  ) {
    pooling.forward(y, source: inputs[0], images: pass.images, team: pass.team, moments: moments)
  }

  func backward(
    _ pass: Pass, dy: FloatPointer, inputs: [Source], targets: [GradientTarget?],
    places: UnsafeMutablePointer<UInt8>
  ) {
    guard let target = targets[0] else { return }
    pooling.backward(
      target.pointer, adds: target.adds, dy: dy, images: pass.images, team: pass.team,
      finish: target.finish)
  }
}

struct ConcatenationLayer: Layer {
  let concatenation: Concatenation

  func forward(
    _ pass: Pass, y: FloatPointer, inputs: [Source], moments: Moments?,
    places: UnsafeMutablePointer<UInt8>
  ) {
    concatenation.forward(y, inputs, images: pass.images, team: pass.team, moments: moments)
  }

  func backward(
    _ pass: Pass, dy: FloatPointer, inputs: [Source], targets: [GradientTarget?],
    places: UnsafeMutablePointer<UInt8>
  ) {
    for (part, target) in targets.enumerated() {
      guard let target else { continue }
      concatenation.backward(
        target.pointer, part: part, adds: target.adds, dy: dy, images: pass.images,
        team: pass.team, finish: target.finish)
    }
  }
}

struct GlobalMeanLayer: Layer {
  let mean: GlobalMean

  func workspace(images: Int) -> Int { mean.workspace }

  func forward(
    _ pass: Pass, y: FloatPointer, inputs: [Source], moments: Moments?,
    places: UnsafeMutablePointer<UInt8>
  ) {
    mean.forward(
      y, source: inputs[0], images: pass.images, team: pass.team, work: pass.work,
      moments: moments)
  }

  func backward(
    _ pass: Pass, dy: FloatPointer, inputs: [Source], targets: [GradientTarget?],
    places: UnsafeMutablePointer<UInt8>
  ) {
    guard let target = targets[0] else { return }
    mean.backward(
      target.pointer, adds: target.adds, dy: dy, images: pass.images, team: pass.team,
      finish: target.finish)
  }
}

struct LinearLayer: Layer {
  let dense: Dense
  /// Place of the weights; the bias follows them.
  let weight: Int

  func workspace(images: Int) -> Int { dense.workspace(images: images) }
  var shared: Int { dense.parameterCount * Cut.most }
  var products: Int { dense.inputs * dense.outputs }

  func forward(
    _ pass: Pass, y: FloatPointer, inputs: [Source], moments: Moments?,
    places: UnsafeMutablePointer<UInt8>
  ) {
    let weights = pass.parameters + weight
    dense.forward(
      y, source: inputs[0], weights: weights, bias: weights + dense.inputs * dense.outputs,
      images: pass.images, team: pass.team, work: pass.work, moments: moments)
  }

  func backward(
    _ pass: Pass, dy: FloatPointer, inputs: [Source], targets: [GradientTarget?],
    places: UnsafeMutablePointer<UInt8>
  ) {
    let target = targets[0]
    dense.backward(
      dx: target?.pointer, adds: target?.adds ?? false, dw: pass.gradients + weight, dy: dy,
      source: inputs[0], weights: pass.parameters + weight, partial: pass.shared,
      images: pass.images, team: pass.team, work: pass.work, finish: target?.finish)
  }
}
