import Tables
import Testing
import Values

/// One list of columns makes the table and the JSON.
@Suite struct ListingTests {
  private struct Worker {
    var name: String?
    var stages: Int
    var speed: Double
  }

  private let columns: [ListingColumn<Worker>] = [
    .text("last_worker") { $0.name }, .integer("stages") { $0.stages },
    .integer("pid") { _ in 7 }.inJSONOnly, .figure("samples/s") { number($0.speed, 1) },
  ]

  @Test func aColumnIsInTheTableAndInJSON() {
    let listing = Listing(
      [Worker(name: "a", stages: 12, speed: 1.25), Worker(stages: 3, speed: 10)], columns)
    #expect(
      listing.text(or: "none")
        == "last worker  stages  samples/s\na                12        1.2\n                  3       10.0"
    )
    #expect(
      listing.json.encoded()
        == #"[{"last_worker":"a","stages":12,"pid":7},{"last_worker":null,"stages":3,"pid":7}]"#)
  }

  @Test func noRowsAreSaidInWords() {
    let listing = Listing([], columns)
    #expect(listing.text(or: "No worker runs.") == "No worker runs.")
    #expect(listing.json.encoded() == "[]")
  }

  @Test func timesAndCountsAreWords() {
    #expect(time(seconds: 45.4) == "45 s" && time(seconds: 720) == "12 min")
    #expect(time(seconds: 12_000) == "3 h 20 min")
    #expect(count(1, "stage") == "1 stage" && count(0, "run") == "0 runs")
  }
}
