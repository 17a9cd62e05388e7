/// Draws of one case: SplitMix64 (Steele, Lea and Flood 2014), from a seed and the case's number.
struct Randomness {
  private var state: UInt64

  init(seed: Int, number: Int) {
    state = UInt64(bitPattern: Int64(seed)) &* 0xD134_2543_DE82_EF95 &+ UInt64(number)
    _ = next()
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Below `bound`, which is above 0.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }

  /// True once in so many.
  mutating func once(in count: Int) -> Bool { below(count) == 0 }
}
