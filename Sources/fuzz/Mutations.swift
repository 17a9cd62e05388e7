import Values

/// Ways to spoil a document or a file.
extension Randomness {
  /// Numbers at every limit, as text.
  private static let numbers = [
    "0", "-0", "1", "-1", "2", "3", "0.1", "0.5", "0.9999", "1.0", "1e0", "10", "16", "127", "128",
    "129", "255", "256", "1000", "1024", "1025", "65535", "65536", "65537", "1000000", "1000001",
    "2147483647", "2147483648", "4294967295", "4294967296", "1099511627776", "1099511627777",
    "9007199254740992", "9007199254740993", "4611686018427387904", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "100000000000000000000", "170141183460469231731687303715884105727",
    "-170141183460469231731687303715884105728", "1e20", "-1e20", "1e30", "1e31", "1e38", "3.5e38",
    "1e39", "1e100", "1e308", "1e309", "-1e309", "1e-7", "1e-30", "1e-31", "1e-45", "1e-324",
    "1e-400", "0.0001", "0.00000000000000000000000000000001", "1e9223372036854775807",
    "1e-9223372036854775808", "123456789012345678901234567890.123456789012345678901234567890",
    "1.000001", "1.0000000001", "0.30000000000000004",
  ]

  private static let texts = [
    "", " ", "1/3", "0/0", "1/0", "-1/3", "4/3", "N/0", "N/1", "N/10", "N/9223372036854775807",
    "N/",
    "1-10", "10-1", "0-9007199254740992", "1-99999999999999999999", "-", "csv", "cifar-10",
    "synthetic",
    "imagenet", "fashion-mnist", "mlp", "cnn", "wrn-16-4", "wrn-1000-64", "wrn-4-1", "wrn-10-0",
    "resnet-50", "inception-resnet-v2", "cosine", "linear", "decay", "hybrid", "increase",
    "constant", "adam", "lars", "sgd", "nesterov", "pinned", "../x", "/etc/passwd", "a\u{0}b",
    "\u{1B}[31m", "\u{202E}", "e\u{301}", "😀", "'; drop table x; --", "nan", "NaN", "inf", "null",
  ]

  private mutating func value() -> JSON {
    switch below(9) {
    case 0...3: .number(pick(Randomness.numbers))
    case 4, 5: .string(pick(Randomness.texts))
    case 6: pick([.null, .bool(true), .bool(false), .array([]), .object([])])
    case 7: .array((0..<below(5)).map { _ in .number(pick(Randomness.numbers)) })
    default:
      once(in: 8)
        ? .string(String(repeating: pick(["a", "9", "\u{1}", "é"]), count: 1 << below(18)))
        : .object([.init(pick(["name", "size", "epochs", "factor", "shape"]), .number("1"))])
    }
  }

  /// Changes something below a value: a number, a type, a member more or less, or one with another name.
  mutating func mutated(_ value: JSON, depth: Int = 0) -> JSON {
    if depth > 0, once(in: 6) { return self.value() }
    switch value {
    case .object(var members) where !members.isEmpty:
      let place = below(members.count)
      switch below(12) {
      case 0: members.remove(at: place)
      case 1: members.append(.init(pick(members).key, self.value()))
      case 2:
        members[place].key = pick([
          "lr", "seed", "", members[place].key + "x", "dataset.seed", "grid", "optimizer.momentum",
          "batch.size", "schedule.curve.factor", "network.hidden", "epochs",
        ])
      case 3: members.swapAt(place, below(members.count))
      case 4: members.append(.init(pick(Randomness.keys), self.value()))
      default: members[place].value = mutated(members[place].value, depth: depth + 1)
      }
      return .object(members)
    case .array(var items) where !items.isEmpty:
      let place = below(items.count)
      switch below(8) {
      case 0: items.remove(at: place)
      case 1: items.append(pick(items))
      case 2: items += Array(repeating: pick(items), count: 1 << below(11))
      default: items[place] = mutated(items[place], depth: depth + 1)
      }
      return .array(items)
    default: return self.value()
    }
  }

  private static let keys = [
    "format", "seeds", "grid", "zip", "variants", "loss", "gradient_probe", "numerics", "maximum",
    "scaling", "validation", "train", "test", "augment", "warm_up", "curve", "drops", "factor",
    "power", "end", "batch_drops", "hidden", "zero_gamma", "momentum", "weight_decay", "ghost",
  ]

  /// Changes bytes: some flipped, some taken away, some twice, an end cut off.
  mutating func mutated(_ bytes: [UInt8], times: Int) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<times where !bytes.isEmpty {
      let place = below(bytes.count)
      switch below(9) {
      case 0: bytes[place] ^= 1 << UInt8(below(8))
      case 1: bytes[place] = UInt8(below(256))
      case 2: bytes.remove(at: place)
      case 3: bytes.insert(UInt8(below(256)), at: place)
      case 4: bytes.removeLast(bytes.count - place)
      case 5:
        let end = min(bytes.count, place + 1 + below(64))
        bytes.insert(contentsOf: Array(bytes[place..<end]), at: below(bytes.count))
      case 6: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(64)))
      case 7: bytes.insert(contentsOf: Array(pick(Randomness.numbers).utf8), at: place)
      default: bytes[place] = pick([0, 255, 127, 128, 10, 13, 34, 44])
      }
    }
    return bytes
  }

  mutating func number() -> String { pick(Randomness.numbers) }
}
