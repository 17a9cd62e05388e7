import Experiments

/// The networks, each as its paper's figure has it.

extension Network {
  package init(_ spec: NetworkSpec, input: Extent, classes: Int) {
    switch spec {
    case .mlp(let hidden): self = .mlp(hidden: hidden, input: input, classes: classes)
    case .cnn: self = .cnn(input: input, classes: classes)
    case .wideResNet(let depth, let width):
      self = .wideResNet(depth: depth, width: width, input: input, classes: classes)
    case .resNet50(let zeroGamma):
      self = .resNet50(zeroGamma: zeroGamma, input: input, classes: classes)
    case .inceptionResNetV2(let zeroGamma):
      self = .inceptionResNetV2(zeroGamma: zeroGamma, input: input, classes: classes)
    }
  }

  /// Fully connected layers with ReLU between them.
  package static func mlp(hidden: [Int], input: Extent, classes: Int) -> Network {
    var net = NetworkBuilder(input: input)
    var x = net.input
    for (index, size) in hidden.enumerated() {
      x = net.linear("fc\(index + 1)", x, to: size, gain: 2.0.squareRoot())
      x = net.relu("relu\(index + 1)", x)
    }
    x = net.linear("fc\(hidden.count + 1)", x, to: classes)
    return net.network(output: x)
  }

  /// Three 3x3 convolutions to 16, 32 and 64 channels, the first two pooled by 2, then a global mean.
  package static func cnn(input: Extent, classes: Int) -> Network {
    var net = NetworkBuilder(input: input)
    var x = net.input
    for (index, channels) in [16, 32, 64].enumerated() {
      x = net.convolution("conv\(index + 1)", x, to: channels, kernel: 3)
      x = net.batchNorm("bn\(index + 1)", x, relu: true)
      // Pictures of a pixel or two are past pooling.
      if index < 2, x.extent.height >= 2, x.extent.width >= 2 {
        x = net.maxPool("pool\(index + 1)", x, kernel: 2, stride: 2)
      }
    }
    x = net.globalMean("pool", x)
    x = net.linear("fc", x, to: classes)
    return net.network(output: x)
  }

  /// Wide residual network (Zagoruyko and Komodakis 2016): depth 6n + 4, widening factor `width`.
  /// Block: BN-ReLU-conv-BN-ReLU-conv; where the shape changes, the shortcut is a 1x1 convolution of
  /// the already normalized input.
  package static func wideResNet(depth: Int, width: Int, input: Extent, classes: Int) -> Network {
    var net = NetworkBuilder(input: input)
    var x = net.convolution("conv0", net.input, to: 16, kernel: 3)
    for group in 1...3 {
      let channels = 16 * width << (group - 1)
      for block in 1...(depth - 4) / 6 {
        let name = "group\(group).block\(block)"
        let stride = group > 1 && block == 1 ? 2 : 1
        let a = net.batchNorm("\(name).bn1", x, relu: true)
        var y = net.convolution("\(name).conv1", a, to: channels, kernel: 3, stride: stride)
        y = net.batchNorm("\(name).bn2", y, relu: true)
        y = net.convolution("\(name).conv2", y, to: channels, kernel: 3)
        let changes = stride != 1 || x.extent.channels != channels
        let shortcut =
          changes
          ? net.convolution("\(name).shortcut", a, to: channels, kernel: 1, stride: stride) : x
        x = net.sum(name, y, shortcut)
      }
    }
    x = net.batchNorm("bn", x, relu: true)
    x = net.globalMean("pool", x)
    x = net.linear("fc", x, to: classes)
    return net.network(output: x)
  }

  /// Residual network of bottlenecks (He et al. 2015), 3 + 4 + 6 + 3 blocks. `zeroGamma`: the last
  /// batch norm of each block starts at gamma 0, so that blocks begin as identities (Goyal et al. 2017).
  package static func resNet50(zeroGamma: Bool, input: Extent, classes: Int) -> Network {
    var net = NetworkBuilder(input: input)
    var x = net.convolution("stem.conv", net.input, to: 64, kernel: 7, stride: 2)
    x = net.batchNorm("stem.bn", x, relu: true)
    x = net.maxPool("stem.pool", x, kernel: 3, stride: 2, pad: 1)
    for (stage, blocks) in zip(1..., [3, 4, 6, 3]) {
      let channels = 64 << (stage - 1)
      for block in 1...blocks {
        let name = "stage\(stage).block\(block)"
        let stride = stage > 1 && block == 1 ? 2 : 1
        var y = net.convolution("\(name).conv1", x, to: channels, kernel: 1)
        y = net.batchNorm("\(name).bn1", y, relu: true)
        y = net.convolution("\(name).conv2", y, to: channels, kernel: 3, stride: stride)
        y = net.batchNorm("\(name).bn2", y, relu: true)
        y = net.convolution("\(name).conv3", y, to: 4 * channels, kernel: 1)
        y = net.batchNorm("\(name).bn3", y, relu: false, gamma: zeroGamma ? 0 : 1)
        var shortcut = x
        if block == 1 {
          shortcut = net.convolution(
            "\(name).shortcut.conv", x, to: 4 * channels, kernel: 1, stride: stride)
          shortcut = net.batchNorm("\(name).shortcut.bn", shortcut, relu: false)
        }
        x = net.relu(name, net.sum("\(name).sum", y, shortcut))
      }
    }
    x = net.globalMean("pool", x)
    x = net.linear("fc", x, to: classes)
    return net.network(output: x)
  }
}
