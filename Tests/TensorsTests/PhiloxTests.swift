import Tensors
import Testing

@Suite struct PhiloxTests {
  @Test func permutationsArePermutations() {
    let random = Philox(seed: 7, purpose: .shuffle)
    for n in [1, 2, 5, 1000] {
      #expect(random.permutation(of: n, stream: 3).sorted() == (0..<n).map(Int32.init))
    }
    #expect(random.permutation(of: 100, stream: 1) != random.permutation(of: 100, stream: 2))
  }

  @Test func uniformsAndNormalsHaveTheirMoments() {
    let random = Philox(seed: 3, purpose: .initialization)
    let n = 200_000
    let uniform = (0..<n).map { random.uniform(UInt64($0)) }
    #expect(uniform.allSatisfy { (0..<1).contains($0) })
    #expect(abs(uniform.reduce(0, +) / Double(n) - 0.5) < 0.003)
    let normal = (0..<n).map { random.normal(UInt64($0)) }
    #expect(abs(normal.reduce(0, +) / Double(n)) < 0.01)
    #expect(abs(normal.reduce(0) { $0 + $1 * $1 } / Double(n) - 1) < 0.02)
  }

  @Test func seedsPurposesAndStreamsAreIndependent() {
    let a = Philox(seed: 1, purpose: .shuffle)
    #expect(a.words(5) == Philox(seed: 1, purpose: .shuffle).words(5))
    #expect(a.words(5) != Philox(seed: 2, purpose: .shuffle).words(5))
    #expect(a.words(5) != Philox(seed: 1, purpose: .augmentation).words(5))
    #expect(a.words(5) != a.words(5, stream: 1))
  }
}
