import Foundation

/// Randomness as a function: Philox4x32-10 (Salmon et al. 2011) of a seed, a purpose and a counter.
/// There is no generator state, so there is none to save, to share or to forget.
package struct Philox: Sendable {
  /// What numbers are drawn for; each purpose has numbers of its own.
  package enum Purpose: UInt32, Sendable {
    case initialization = 1
    case shuffle, augmentation, holdOut, syntheticData, selfCheck, jitter
  }

  private let key: (UInt32, UInt32)
  private let purpose: UInt32

  package init(seed: Int, purpose: Purpose) {
    let bits = UInt64(bitPattern: Int64(seed))
    key = (UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits >> 32))
    self.purpose = purpose.rawValue
  }

  /// Four words for a counter; `stream` tells apart what has the same counter (epoch, layer).
  package func words(_ counter: UInt64, stream: UInt32 = 0) -> SIMD4<UInt32> {
    var x = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), stream,
      purpose)
    var (k0, k1) = key
    for _ in 0..<10 {
      let low = UInt64(x[0]) * 0xD251_1F53
      let high = UInt64(x[2]) * 0xCD9E_8D57
      x = SIMD4(
        UInt32(truncatingIfNeeded: high >> 32) ^ x[1] ^ k0, UInt32(truncatingIfNeeded: high),
        UInt32(truncatingIfNeeded: low >> 32) ^ x[3] ^ k1, UInt32(truncatingIfNeeded: low))
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return x
  }

  /// In [0, 1), 53 bits.
  package func uniform(_ counter: UInt64, stream: UInt32 = 0) -> Double {
    let x = words(counter, stream: stream)
    return Double((UInt64(x[0]) << 21) ^ (UInt64(x[1]) >> 11)) * 0x1p-53
  }

  /// Below `bound`, by Lemire's multiplication; the bias is below bound / 2^64.
  package func below(_ bound: Int, _ counter: UInt64, stream: UInt32 = 0) -> Int {
    let x = words(counter, stream: stream)
    let bits = UInt64(x[0]) << 32 | UInt64(x[1])
    return Int(bits.multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Standard normal (Box and Muller 1958).
  package func normal(_ counter: UInt64, stream: UInt32 = 0) -> Double {
    let x = words(counter, stream: stream)
    let u = (Double(UInt64(x[0]) << 21 ^ UInt64(x[1]) >> 11) + 0.5) * 0x1p-53
    let v = Double(UInt64(x[2]) << 21 ^ UInt64(x[3]) >> 11) * 0x1p-53
    return (-2 * log(u)).squareRoot() * cos(2 * Double.pi * v)
  }

  /// A permutation of 0..<n (Fisher and Yates).
  package func permutation(of n: Int, stream: UInt32) -> [Int32] {
    var order = (0..<n).map(Int32.init)
    var i = n - 1
    while i > 0 {
      order.swapAt(i, below(i + 1, UInt64(i), stream: stream))
      i -= 1
    }
    return order
  }
}
