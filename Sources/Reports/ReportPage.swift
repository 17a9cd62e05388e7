import Experiments
import Foundation
import Tables
import Values

/// The report as one self-contained page: verdict first, figures inside.
extension Report {
  package func page(figures: [(figure: Figure, svg: Data)], madeBy version: String) -> String {
    let title = grids.map(\.name).joined(separator: ", ")
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(title))</title>
      <style>
      \(Report.style)
      </style>
      </head>
      <body>
      <h1>\(escaped(title))</h1>
      \(paragraphs(grids.map { "Grid \($0.name): \($0.outcomes)." }))
      <section>
      <h2>Verdict</h2>
      \(verdict.isEmpty ? "<p>Nothing to compare.</p>" : list(verdict))
      </section>
      <section>
      <h2>Settings</h2>
      <p>Mean final test accuracy in percent over the seeds that trained, with its 95 % interval.</p>
      \(settingTable().html)
      \(comparisonSection)
      \(paperSection)
      </section>
      <section>
      <h2>Figures</h2>
      \(figures.map(block).joined(separator: "\n"))
      </section>
      <section>
      <h2>Work</h2>
      \(paragraphs(grids.map(\.sharingText)))
      </section>
      <section>
      <h2>Where it comes from</h2>
      \(grids.map(\.provenanceTable.html).joined(separator: "\n"))
      <p>Reported by jobctl \(escaped(version)).</p>
      </section>
      <section>
      <h2>How to read it</h2>
      \(list(notes))
      </section>
      </body>
      </html>

      """
  }

  private var comparisonSection: String {
    guard hasDifferences else { return "" }
    return "<h3>Differences</h3>\n<p>\(escaped(comparisonTitle)).</p>\n\(comparisonTable.html)"
  }

  private var paperSection: String {
    guard let paperTable else { return "" }
    return "<h3>Section 5.2 of the paper</h3>\n<p>The paper's rows are single runs of WRN-16-4 on "
      + "CIFAR-10. Where this grid trains another network, other data or fewer epochs, only the "
      + "order of its rows can be compared.</p>\n\(paperTable.html)"
  }

  private func block(_ figure: Figure, _ svg: Data) -> String {
    """
    <figure>
    <h3>\(escaped(figure.title))</h3>
    <img alt="\(escaped(figure.title))" src="data:image/svg+xml;base64,\(svg.base64EncodedString())">
    <figcaption>\(escaped(figure.caption))</figcaption>
    </figure>
    """
  }

  private func paragraphs(_ lines: [String]) -> String {
    lines.map { "<p>\(escaped($0))</p>" }.joined(separator: "\n")
  }

  private func list(_ lines: [String]) -> String {
    "<ul>\n" + lines.map { "<li>\(escaped($0))</li>\n" }.joined() + "</ul>"
  }

  private static let style = """
    body { font: 16px/1.5 sans-serif; color: #111; background: #fff; max-width: 60rem;
      margin: 2rem auto; padding: 0 1rem; }
    h1, h2, h3 { line-height: 1.2; }
    h2 { border-bottom: 1px solid #ccc; margin-top: 2.5rem; }
    table { border-collapse: collapse; font-size: 0.85rem; display: block; overflow-x: auto; }
    th, td { padding: 0.2rem 0.6rem; border-bottom: 1px solid #ddd; text-align: left; }
    .right { text-align: right; font-variant-numeric: tabular-nums; }
    figure { margin: 2rem 0; }
    figure img { max-width: 100%; }
    figcaption { font-size: 0.85rem; color: #444; }
    """
}

extension GridReport {
  /// Where the numbers come from, line by line.
  private var origins: [(what: String, value: String)] {
    var origins: [(what: String, value: String)] = [
      ("jobctl that trained", provenance.attempts.versions), ("hosts", provenance.attempts.hosts),
      ("numerics version", provenance.numericsVersions),
      ("numerics fingerprints", provenance.attempts.fingerprints),
    ]
    for dataset in provenance.datasets {
      origins.append(("data set \(dataset.name)", "sha256 \(dataset.digest)"))
      if let classes = dataset.classText { origins.append(("classes of \(dataset.name)", classes)) }
    }
    let updatesRedone = runs.reduce(0.0) { $0 + Double($1.updatesRedone) }
    origins += [
      ("attempts at stages", String(provenance.attempts.count)),
      ("of them crashed and resumed", String(provenance.attempts.crashed)),
      ("drained and resumed", String(provenance.attempts.preempted)),
      ("failed and retried", String(provenance.attempts.failed)),
      ("stages shared", "\(sharing.uniqueStages) trained for \(sharing.stages)"),
      ("stages of earlier grids", String(sharing.reusedStages)),
      ("updates redone", number(updatesRedone, 0)),
    ]
    return origins
  }

  /// The classes of each data set, as a terminal shows them; nil where no submission has named any.
  var classText: String? {
    let lines = provenance.datasets.compactMap { dataset in
      dataset.classText.map { "Classes of \(printable(dataset.name)): \($0)" }
    }
    return lines.isEmpty ? nil : lines.joined(separator: "\n")
  }

  package var provenanceTable: TextTable {
    var table = TextTable([("grid \(name)", .left), ("", .left)])
    for origin in origins { table.add([origin.what, origin.value]) }
    return table
  }

  var provenanceJSON: JSON {
    .object(
      [.init("grid", .string(name))] + origins.map { .init($0.what, .string($0.value)) } + [
        .init(
          "datasets",
          .array(
            provenance.datasets.map {
              [
                "name": .string($0.name), "digest": .string($0.digest),
                "classes": .array($0.classes.map(JSON.string)),
              ]
            }))
      ])
  }
}

extension GridReport.Provenance.Dataset {
  private static let mostClasses = 20
  private static let longestName = 60

  /// `10: airplane, automobile, ...`; nil where no names are known.
  fileprivate var classText: String? {
    guard !classes.isEmpty else { return nil }
    let most = GridReport.Provenance.Dataset.mostClasses
    let rest = classes.count - most
    return "\(classes.count): "
      + classes.prefix(most)
      .map { shortened(printable($0), to: GridReport.Provenance.Dataset.longestName) }
      .joined(separator: ", ")
      + (rest > 0 ? " and \(rest) more" : "")
  }
}
