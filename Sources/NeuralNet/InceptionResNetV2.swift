import Tensors

/// Inception-ResNet-V2 (Szegedy et al. 2016), figure by figure: a stem, three kinds of residual blocks
/// with branches, and the reductions between them.
extension Network {
  /// `zeroGamma`: the last batch norms of each block's branches start at gamma 0.
  package static func inceptionResNetV2(zeroGamma: Bool, input: Extent, classes: Int) -> Network {
    var inception = InceptionBuilder(
      net: NetworkBuilder(input: input), lastGamma: zeroGamma ? 0 : 1)
    var x = inception.stem(inception.net.input)
    x = inception.mixed5b(x)
    for i in 1...10 { x = inception.block35("block35.\(i)", x) }
    x = inception.mixed6a(x)
    for i in 1...20 { x = inception.block17("block17.\(i)", x) }
    x = inception.mixed7a(x)
    for i in 1...9 { x = inception.block8("block8.\(i)", x, scale: 0.2, relu: true) }
    x = inception.block8("block8.10", x, scale: 1, relu: false)
    x = inception.unit("head", x, 1536, 1)
    x = inception.net.globalMean("pool", x)
    x = inception.net.linear("fc", x, to: classes)
    return inception.net.network(output: x)
  }
}

private struct InceptionBuilder {
  var net: NetworkBuilder
  let lastGamma: Float

  /// Convolution, batch norm, ReLU; `valid` is without padding.
  mutating func unit(
    _ name: String, _ x: Value, _ channels: Int, _ kernel: (Int, Int), stride: Int = 1,
    valid: Bool = false, gamma: Float = 1
  ) -> Value {
    let y = net.convolution(
      "\(name).conv", x, to: channels, kernel: kernel, stride: stride, pad: valid ? 0 : nil)
    return net.batchNorm("\(name).bn", y, relu: true, gamma: gamma)
  }

  mutating func unit(
    _ name: String, _ x: Value, _ channels: Int, _ side: Int, stride: Int = 1, valid: Bool = false,
    gamma: Float = 1
  ) -> Value {
    unit(name, x, channels, (side, side), stride: stride, valid: valid, gamma: gamma)
  }

  mutating func stem(_ input: Value) -> Value {
    var x = unit("stem1", input, 32, 3, stride: 2, valid: true)
    x = unit("stem2", x, 32, 3, valid: true)
    x = unit("stem3", x, 64, 3)
    x = net.maxPool("stem.pool1", x, kernel: 3, stride: 2)
    x = unit("stem4", x, 80, 1)
    x = unit("stem5", x, 192, 3, valid: true)
    return net.maxPool("stem.pool2", x, kernel: 3, stride: 2)
  }

  mutating func mixed5b(_ x: Value) -> Value {
    let b0 = unit("mixed5b.b0", x, 96, 1)
    var b1 = unit("mixed5b.b1a", x, 48, 1)
    b1 = unit("mixed5b.b1b", b1, 64, 5)
    var b2 = unit("mixed5b.b2a", x, 64, 1)
    b2 = unit("mixed5b.b2b", b2, 96, 3)
    b2 = unit("mixed5b.b2c", b2, 96, 3)
    var b3 = net.averagePool("mixed5b.pool", x, kernel: 3, stride: 1, pad: 1)
    b3 = unit("mixed5b.b3", b3, 64, 1)
    return net.concatenation("mixed5b", [b0, b1, b2, b3])
  }

  mutating func block35(_ name: String, _ x: Value) -> Value {
    let b0 = unit("\(name).b0", x, 32, 1, gamma: lastGamma)
    var b1 = unit("\(name).b1a", x, 32, 1)
    b1 = unit("\(name).b1b", b1, 32, 3, gamma: lastGamma)
    var b2 = unit("\(name).b2a", x, 32, 1)
    b2 = unit("\(name).b2b", b2, 48, 3)
    b2 = unit("\(name).b2c", b2, 64, 3, gamma: lastGamma)
    return residual(name, x, [b0, b1, b2], scale: 0.17, relu: true)
  }

  mutating func mixed6a(_ x: Value) -> Value {
    let b0 = unit("mixed6a.b0", x, 384, 3, stride: 2, valid: true)
    var b1 = unit("mixed6a.b1a", x, 256, 1)
    b1 = unit("mixed6a.b1b", b1, 256, 3)
    b1 = unit("mixed6a.b1c", b1, 384, 3, stride: 2, valid: true)
    let b2 = net.maxPool("mixed6a.pool", x, kernel: 3, stride: 2)
    return net.concatenation("mixed6a", [b0, b1, b2])
  }

  mutating func block17(_ name: String, _ x: Value) -> Value {
    let b0 = unit("\(name).b0", x, 192, 1, gamma: lastGamma)
    var b1 = unit("\(name).b1a", x, 128, 1)
    b1 = unit("\(name).b1b", b1, 160, (1, 7))
    b1 = unit("\(name).b1c", b1, 192, (7, 1), gamma: lastGamma)
    return residual(name, x, [b0, b1], scale: 0.1, relu: true)
  }

  mutating func mixed7a(_ x: Value) -> Value {
    var b0 = unit("mixed7a.b0a", x, 256, 1)
    b0 = unit("mixed7a.b0b", b0, 384, 3, stride: 2, valid: true)
    var b1 = unit("mixed7a.b1a", x, 256, 1)
    b1 = unit("mixed7a.b1b", b1, 288, 3, stride: 2, valid: true)
    var b2 = unit("mixed7a.b2a", x, 256, 1)
    b2 = unit("mixed7a.b2b", b2, 288, 3)
    b2 = unit("mixed7a.b2c", b2, 320, 3, stride: 2, valid: true)
    let b3 = net.maxPool("mixed7a.pool", x, kernel: 3, stride: 2)
    return net.concatenation("mixed7a", [b0, b1, b2, b3])
  }

  mutating func block8(_ name: String, _ x: Value, scale: Float, relu: Bool) -> Value {
    let b0 = unit("\(name).b0", x, 192, 1, gamma: lastGamma)
    var b1 = unit("\(name).b1a", x, 192, 1)
    b1 = unit("\(name).b1b", b1, 224, (1, 3))
    b1 = unit("\(name).b1c", b1, 256, (3, 1), gamma: lastGamma)
    return residual(name, x, [b0, b1], scale: scale, relu: relu)
  }

  /// x + scale * up(branches), with `up` back to the width of x.
  private mutating func residual(
    _ name: String, _ x: Value, _ branches: [Value], scale: Float, relu: Bool
  ) -> Value {
    let mixed = net.concatenation("\(name).branches", branches)
    let up = net.convolution(
      "\(name).up", mixed, to: x.extent.channels, kernel: (1, 1), bias: true, gain: 1)
    guard relu else { return net.sum(name, x, up, factor: scale) }
    return net.relu(name, net.sum("\(name).sum", x, up, factor: scale))
  }
}
