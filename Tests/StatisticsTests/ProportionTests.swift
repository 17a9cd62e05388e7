import Statistics
import Testing

@Suite struct ProportionTests {
  @Test("A proportion is a share of what there is, and of none it is unknown")
  func shares() {
    #expect(Proportion(3, of: 4).share == 0.75)
    #expect("\(Proportion(3, of: 4))" == "3 of 4")
    let none = Proportion(0, of: 0)
    #expect(none.share == nil && none.description == "0 of 0")
  }
}
