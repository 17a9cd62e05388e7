import Foundation
import Tensors
import Values

/// Golden values from an independent framework, in double precision: Tests/Fixtures/golden. Inputs are
/// made by a generator that both sides have, or stored.
package struct Golden {
  package let manifest: JSON
  private let tensors: [String: [Double]]

  package init(_ name: String) throws {
    let base = repository.appending(path: "Tests/Fixtures/golden/\(name)")
    manifest = try JSON(
      parsing: [UInt8](Data(contentsOf: base.appendingPathExtension("json"))))
    tensors = try Golden.safetensors(Data(contentsOf: base.appendingPathExtension("safetensors")))
  }

  package var cases: [JSON] { manifest["cases"]?.items ?? [] }

  package func stored(_ key: String) -> [Double] { tensors[key] ?? [] }

  private static func safetensors(_ data: Data) throws -> [String: [Double]] {
    let bytes = [UInt8](data)
    func little(_ at: Int, _ width: Int) -> UInt64 {
      (0..<width).reduce(0) { $0 | UInt64(bytes[at + $1]) << (8 * UInt64($1)) }
    }
    let headerEnd = 8 + Int(little(0, 8))
    let header = try JSON(parsing: Array(bytes[8..<headerEnd]))
    var tensors: [String: [Double]] = [:]
    for member in header.members ?? [] {
      guard let type = member.value["dtype"]?.stringValue,
        let offsets = member.value["data_offsets"]?.items?.compactMap(\.intValue)
      else { continue }
      let width = type == "F32" ? 4 : 8
      tensors[member.key] = stride(
        from: headerEnd + offsets[0], to: headerEnd + offsets[1], by: width
      )
      .map { at in
        switch type {
        case "F32": Double(Float(bitPattern: UInt32(little(at, 4))))
        case "F64": Double(bitPattern: little(at, 8))
        default: Double(Int64(bitPattern: little(at, 8)))
        }
      }
    }
    return tensors
  }

  // MARK: - Inputs

  /// Uniform in [0, 1): splitmix64 of an FNV-1a hash of the name and the index.
  package static func uniform(_ name: String, _ index: Int) -> Double {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    var z = hash &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z = z ^ (z >> 31)
    return Double(z >> 40) / 0x1p24
  }

  package func input(_ node: JSON, step: Int = 0) -> [Float] {
    if let key = node["stored"]?.stringValue { return stored(key).map(Float.init) }
    let count = (node["shape"]?.items ?? []).reduce(1) { $0 * ($1.intValue ?? 1) }
    let name = (node["gen"]?.stringValue ?? "").replacing("<step>", with: String(step))
    if let classes = node["classes"]?.intValue {
      return (0..<count).map { Float(Int(Golden.uniform(name, $0) * Double(classes))) }
    }
    let (a, b) = (node["a"]?.doubleValue ?? 0, node["b"]?.doubleValue ?? 0)
    let salts = node["salts"]?.items?.compactMap(\.intValue) ?? [0]
    return (0..<count).map { i in
      let salt = salts[i % salts.count]
      return Float(a * (2 * Golden.uniform(salt > 0 ? "\(name)~\(salt)" : name, i) - 1) + b)
    }
  }

  // MARK: - Outputs

  /// The worst error of an output over its tolerance: at most 1 when it is right.
  package func error(_ out: [Float], case name: String, output: String, _ node: JSON) -> Double {
    let tolerance = node["tol"]?.doubleValue ?? 0
    let l2 = node["l2"]?.doubleValue ?? 0
    let values = out.map(Double.init)
    let key = "\(name)/\(output)"
    if node["stored"]?.stringValue == "full" {
      let reference = stored(key)
      guard reference.count == values.count else { return .infinity }
      return norm(zip(values, reference).map { $0 - $1 }) / max(tolerance * norm(reference), 1e-300)
    }
    let index = stored(key + ".idx").map { Int($0) }
    let reference = stored(key + ".val")
    guard let last = index.last, last == values.count - 1 else { return .infinity }
    let n = Double(values.count)
    let scale = max(norm(reference), l2 * (64 / n).squareRoot())
    return max(
      norm(zip(index.map { values[$0] }, reference).map { $0 - $1 }) / (tolerance * scale),
      abs(norm(values) - l2) / (tolerance * l2),
      abs(values.reduce(0, +) - (node["sum"]?.doubleValue ?? 0)) / (tolerance * l2 * n.squareRoot())
    )
  }
}

package func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

/// Storage with these values.
package func floats(_ values: [Float]) -> Floats {
  let storage = Floats(count: values.count)
  storage.values = values
  return storage
}
