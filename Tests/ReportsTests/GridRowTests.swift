import Postgres
import Reports
import TestSupport
import Testing

/// A view's answer that lacks something is an error that names it, not a 0 in a report.
@Suite struct GridRowTests {
  @Test func whatIsMissingInAViewIsNamed() {
    let unnoticed =
      unnoticedDamage(GridReport.RunRow()) + unnoticedDamage(GridReport.Sharing())
      + unnoticedDamage(GridReport.CurvePoint()) + unnoticedDamage(GridReport.StageRow())
      + unnoticedDamage(GridReport.Attempts()) + unnoticedDamage(GridReport.Timing())
    #expect(unnoticed == [])
  }
}
