import Values

/// Which network a run trains.

package enum NetworkSpec: Hashable, Sendable {
  /// Fully connected layers with these hidden sizes.
  case mlp(hidden: [Int])
  /// Three 3x3 convolutions with batch norm, two poolings, a global mean.
  case cnn
  /// Wide residual network of depth 6n + 4 and this widening factor.
  case wideResNet(depth: Int, width: Int)
  case resNet50(zeroGamma: Bool)
  case inceptionResNetV2(zeroGamma: Bool)

  /// Smaller pictures than this leave nothing of themselves to the last layers.
  package var leastSide: Int { if case .inceptionResNetV2 = self { 75 } else { 1 } }

  package var name: String {
    switch self {
    case .mlp: "mlp"
    case .cnn: "cnn"
    case .wideResNet(let depth, let width): "wrn-\(depth)-\(width)"
    case .resNet50: "resnet-50"
    case .inceptionResNetV2: "inception-resnet-v2"
    }
  }

  package var json: JSON {
    switch self {
    case .mlp(let hidden): ["name": "mlp", "hidden": .array(hidden.map(JSON.integer))]
    case .resNet50(true), .inceptionResNetV2(true):
      ["name": .string(name), "zero_gamma": true]
    default: ["name": .string(name)]
    }
  }

  static let shape: Shape = {
    let name = Shape.word(
      allowed: "mlp, cnn, wrn-DEPTH-WIDTH with DEPTH = 6n + 4, resnet-50, inception-resnet-v2",
      pattern: "^(mlp|cnn|wrn-[0-9]+-[0-9]+|resnet-50|inception-resnet-v2)$",
      near: ["mlp", "cnn", "wrn-16-4", "wrn-10-1", "resnet-50", "inception-resnet-v2"],
      accepts: { NetworkSpec(name: $0, hidden: [], zeroGamma: false) != nil })
    return .either([
      name,
      .object(
        ObjectShape(fields: [
          .init("name", name, required: true, "The network."),
          hidden.field, zeroGamma.field,
        ])),
    ])
  }()

  private static let hidden = DocumentField.integers(
    "hidden", 1...65_536, count: 0...64, default: [256, 128], "mlp: sizes of the hidden layers")
  private static let zeroGamma = DocumentField.flag(
    "zero_gamma", "resnet-50: start each block's last batch norm at gamma 0")

  init?(name: String, hidden: [Int], zeroGamma: Bool) {
    switch name {
    case "mlp": self = .mlp(hidden: hidden)
    case "cnn": self = .cnn
    case "resnet-50": self = .resNet50(zeroGamma: zeroGamma)
    case "inception-resnet-v2": self = .inceptionResNetV2(zeroGamma: zeroGamma)
    default:
      let parts = name.split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "wrn", let depth = Int(parts[1]),
        let width = Int(parts[2]),
        name == "wrn-\(depth)-\(width)", depth >= 10, depth <= 1000, depth % 6 == 4,
        (1...64).contains(width)
      else { return nil }
      self = .wideResNet(depth: depth, width: width)
    }
  }

  /// Nil where the name is none; the shape has said so.
  init?(_ node: JSON, at path: String, problems: inout [Problem]) {
    let name = node.stringValue ?? node["name"]?.stringValue ?? ""
    guard
      let network = NetworkSpec(
        name: name, hidden: NetworkSpec.hidden.value(in: node),
        zeroGamma: NetworkSpec.zeroGamma.value(in: node))
    else { return nil }
    self = network
    if node["hidden"] != nil, name != "mlp" {
      problems.append(Problem(join(path, "hidden"), "belongs to mlp, not to \(name)"))
    }
    if node["zero_gamma"] != nil, name != "resnet-50", name != "inception-resnet-v2" {
      problems.append(Problem(join(path, "zero_gamma"), "belongs to resnet-50, not to \(name)"))
    }
  }
}
