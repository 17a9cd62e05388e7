import COpenBLAS
import Foundation

/// Single-precision products of row-major matrices, by OpenBLAS on one thread. We bring our own
/// threads: with two BLAS threads the bits of a product change.
package enum BLAS {
  package enum Operand {
    case plain, transposed
  }

  private static let start: Void = openblas_set_num_threads(1)

  /// c[m][n] = scale * c + op(a)[m][k] op(b)[k][n]; leading dimensions count stored columns.
  package static func multiply(
    into c: FloatPointer, m: Int, n: Int, k: Int,
    _ a: UnsafePointer<Float>, _ opA: Operand, lda: Int,
    _ b: UnsafePointer<Float>, _ opB: Operand, ldb: Int, ldc: Int, scale: Float = 0
  ) {
    _ = start
    cblas_sgemm(
      CblasRowMajor, opA == .plain ? CblasNoTrans : CblasTrans,
      opB == .plain ? CblasNoTrans : CblasTrans, blasint(m), blasint(n), blasint(k), 1, a,
      blasint(lda), b, blasint(ldb), scale, c, blasint(ldc))
  }

  /// "OpenBLAS 0.3.21 SkylakeX": version and the core its kernels are made for.
  package static var description: String {
    let config = String(cString: openblas_get_config())
    let version = config.split(separator: " ").prefix(2).joined(separator: " ")
    return "\(version) \(String(cString: openblas_get_corename()))"
  }

  /// Compares products of odd sizes with double-precision sums; some builds are wrong on some CPUs.
  /// Returns the worst relative error.
  package static func selfCheck() -> Double {
    var worst = 0.0
    for (m, n, k) in [(1, 1, 1), (5, 7, 33), (64, 48, 129), (196, 32, 144), (33, 65, 300)] {
      let random = Philox(seed: 1, purpose: .selfCheck)
      let a = (0..<m * k).map { Float(random.uniform(UInt64($0)) - 0.5) }
      let b = (0..<k * n).map { Float(random.uniform(UInt64($0), stream: 1) - 0.5) }
      let c = Floats(count: m * n)
      multiply(into: c.base, m: m, n: n, k: k, a, .plain, lda: k, b, .plain, ldb: n, ldc: n)
      for i in 0..<m {
        for j in 0..<n {
          var exact = 0.0
          var size = 0.0
          for l in 0..<k {
            let product = Double(a[i * k + l]) * Double(b[l * n + j])
            exact += product
            size += abs(product)
          }
          worst = max(worst, abs(Double(c.base[i * n + j]) - exact) / max(size, 1e-30))
        }
      }
    }
    return worst
  }
}
