import Statistics
import Testing

/// Student's t against scipy's, and against closed forms.
@Suite struct StudentTTests {
  private struct Reference: Decodable {
    struct Student: Decodable {
      let df, t, density, cumulative, survival, outside: Double
    }
    struct StudentQuantile: Decodable {
      let df, p, quantile: Double
    }
    let student: [Student]
    let studentQuantiles: [StudentQuantile]
  }

  private let reference: Reference

  init() throws { reference = try fixture("distributions") }

  @Test("Student's t has scipy's density and shares, in the far tails too")
  func studentShares() {
    for row in reference.student {
      let student = StudentT(df: row.df)
      let place = "df \(row.df), t \(row.t)"
      #expect(isClose(student.density(row.t), row.density), "density, \(place)")
      #expect(isClose(student.cumulative(row.t), row.cumulative), "cumulative, \(place)")
      #expect(isClose(student.survival(row.t), row.survival), "survival, \(place)")
      #expect(isClose(student.outside(row.t), row.outside), "outside, \(place)")
    }
  }

  @Test("Student's t has scipy's quantiles from 1 to a million degrees of freedom")
  func studentQuantiles() {
    for row in reference.studentQuantiles {
      let quantile = StudentT(df: row.df).quantile(row.p)
      #expect(isClose(quantile, row.quantile), "df \(row.df), p \(row.p): \(quantile)")
    }
  }

  @Test("A quantile of Student's t is solved to 1e-13 of itself")
  func studentQuantilesAreSolved() {
    for df in [1, 1.7, 3, 12.5, 400, 1e4, 1e6] {
      let student = StudentT(df: df)
      for p in [1e-200, 1e-30, 1e-9, 0.003, 0.2, 0.45, 0.49999999] where df > 1 || p > 1e-100 {
        let t = student.quantile(p)
        // An error of t shows in the share as t f(t) times its relative size.
        let slope = abs(t) * student.density(t)
        let error = (student.cumulative(t) - p) / slope
        #expect(abs(error) <= 1e-13, "df \(df), p \(p): \(t) is off by \(error)")
      }
    }
  }

  @Test("A quantile of Student's t and its mirror differ in sign only")
  func studentQuantilesAreSymmetric() {
    let student = StudentT(df: 5)
    #expect(student.quantile(0.5) == 0)
    for p in [0.25, 0.375, 0.4375] {
      #expect(student.quantile(p) == -student.quantile(1 - p))
    }
  }

  @Test("One and two degrees of freedom have the closed forms")
  func closedForms() {
    // Cauchy's law, and t / sqrt(2 + t²).
    #expect(isClose(StudentT(df: 1).quantile(0.75), 1))
    #expect(isClose(StudentT(df: 1).survival(1), 0.25))
    #expect(isClose(StudentT(df: 2).within(3), 3 / 11.0.squareRoot()))
  }
}
