import Foundation

/// Aligned storage of single-precision numbers. Owned once, handed around as pointers.

package typealias FloatPointer = UnsafeMutablePointer<Float>

package final class Floats {
  package let base: FloatPointer
  package let count: Int

  /// A cache line, and the widest vector of any instruction set in use.
  private static let alignment = 64
  private static let slack = 32
  /// Transforms touch dozens of places at once, each on a page of its own where pages are small.
  private static let hugePage = 2 << 20

  /// `count` zeros.
  package init(count: Int) {
    precondition(count >= 0, "storage of \(count) numbers")
    // Kernels may read, not use, a few numbers behind the last.
    let bytes = (max(count, 1) + Floats.slack) * MemoryLayout<Float>.stride
    let isLarge = bytes >= Floats.hugePage / 4
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Floats.hugePage : Floats.alignment)
    if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }  // advice: what comes of it does not matter
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    base = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    self.count = count
  }

  deinit { UnsafeMutableRawPointer(base).deallocate() }

  package var values: [Float] {
    get { Array(UnsafeBufferPointer(start: base, count: count)) }
    set {
      precondition(newValue.count == count, "\(newValue.count) numbers into storage of \(count)")
      newValue.withUnsafeBufferPointer {
        base.update(from: $0.baseAddress!, count: min(count, $0.count))
      }
    }
  }

  package func fill(_ value: Float) { base.update(repeating: value, count: count) }

  package func copy(from other: Floats) {
    precondition(other.count == count, "\(other.count) numbers into storage of \(count)")
    base.update(from: other.base, count: count)
  }
}
