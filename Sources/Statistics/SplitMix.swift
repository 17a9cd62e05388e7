/// Randomness as a function of a seed and a counter, for resampling: SplitMix64 (Steele, Lea and
/// Flood 2014). There is no state, so the same seed gives the same interval everywhere.
struct SplitMix: Sendable {
  private let key: UInt64

  init(seed: Int) { key = SplitMix.mix(UInt64(bitPattern: Int64(seed))) }

  /// Below `bound`, by Lemire's multiplication; the bias is below bound / 2^64.
  func below(_ bound: Int, _ counter: Int) -> Int {
    // The golden ratio's fraction: steps of it fill 64 bits evenly.
    let word = SplitMix.mix(key &+ (UInt64(counter) &+ 1) &* 0x9E37_79B9_7F4A_7C15)
    return Int(word.multipliedFullWidth(by: UInt64(bound)).high)
  }

  private static func mix(_ bits: UInt64) -> UInt64 {
    var z = bits
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
