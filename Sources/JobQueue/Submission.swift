import Experiments
import Foundation
import Postgres
import Values

/// A planned grid on its way into the queue: rows for the tables that api.open_submission opens.
///
/// What runs with different seeds have in common is sent once: seeds alone may be a million. The queue
/// makes the digests itself.
package struct Submission: Sendable {
  /// What api.open_submission takes.
  package var header: JSON
  package var specs: [SubmittedSpec]
  package var settings: [SubmittedSetting]
  package var stages: [SubmittedStage]
  package var seeds: [Int]
  /// Packed folders of code that its trainers have.
  package var code: [[UInt8]] = []

  package init(
    header: JSON, specs: [SubmittedSpec], settings: [SubmittedSetting], stages: [SubmittedStage],
    seeds: [Int]
  ) {
    self.header = header
    (self.specs, self.settings, self.stages) = (specs, settings, stages)
    self.seeds = seeds
  }

  /// The header of a grid. The priority of a grid that is there already is changed where one is given.
  package static func header(
    name: String, contentDigest: String, document: JSON, priority: Int?, datasets: JSON = []
  ) -> JSON {
    [
      "format": 3, "name": .string(name), "content_digest": .string(contentDigest),
      "document": document, "priority": .integer(priority ?? 0),
      "sets_priority": .bool(priority != nil), "datasets": datasets,
    ]
  }

  /// Sends it on a connection that has a transaction open, and gives the queue's answer.
  package func send(on connection: isolated Connection) throws(PostgresError) -> String? {
    for archive in code {
      try connection.query(
        "select api.store_code(decode($1, 'base64'))",
        [.text(Data(archive).base64EncodedString())])
    }
    try connection.query("select api.open_submission($1)", [.text(header.encoded())])
    try copy(specs, on: connection)
    try copy(settings, on: connection)
    try copy(
      seeds.enumerated().lazy.map { SubmittedSeed(number: $0.offset, seed: $0.element) },
      on: connection)
    try copy(stages, on: connection)
    return try connection.query("select api.close_submission()").single
  }

  /// Into the temporary table that has the name of the rows' type.
  private func copy<Items: Sequence>(
    _ items: Items, on connection: isolated Connection
  ) throws(PostgresError) where Items.Element: TypedRow {
    typealias Row = Items.Element
    let table = Row.sqlName.replacing("api.", with: "pg_temp.")
    var rest = items.makeIterator()
    try connection.copy("copy \(table)(\(Row.columnList)) from stdin") {
      var lines = CopyLines()
      while !lines.isFull, let item = rest.next() { lines.add(item.parameters) }
      return lines.isEmpty ? nil : lines
    }
  }
}

extension Submission {
  /// `memory` says what a run takes: it is known to whoever knows networks.
  package init(_ plan: Plan, priority: Int?, memory: (PlannedSetting) -> Int) {
    let grid = plan.grid
    var specDigests: [StageSpec: String] = [:]
    var memoryBytes: [StageSpec: Int] = [:]
    var specs: [SubmittedSpec] = []
    var datasets: [String: JSON] = [:]
    var namesLeft = Submission.mostNames
    for planned in plan.settings {
      let spec = planned.setting.spec.training
      guard specDigests[spec] == nil else { continue }
      let submitted = SubmittedSpec(spec.json)
      specDigests[spec] = submitted.digest
      memoryBytes[spec] = memory(planned)
      specs.append(submitted)
      if let data = spec.datasetDigest, datasets[data] == nil {
        let names = Submission.classNames(planned.facts?.classNames, atMost: &namesLeft)
        datasets[data] = [
          "digest": .string(data), "description": spec.dataset.json, "class_names": names,
        ]
      }
    }
    let pinned = Set(plan.settings.filter(\.setting.spec.isPinned).flatMap(\.stages))
    self.init(
      header: Submission.header(
        name: grid.name, contentDigest: grid.contentDigest, document: grid.document,
        priority: priority,
        datasets: .array(datasets.sorted { $0.key < $1.key }.map(\.value))),
      specs: specs,
      settings: plan.settings.enumerated().map { number, planned in
        plan.row(of: planned, number: number)
      },
      stages: plan.stages.enumerated().map { number, planned in
        planned.row(
          number: number, spec: specDigests[planned.spec] ?? "",
          memory: memoryBytes[planned.spec] ?? 0, isPinned: pinned.contains(number))
      },
      seeds: grid.seeds)
  }
}

extension Submission {
  /// Names of classes are for reports alone. A submission has no more bytes of them.
  private static let mostNames = 1 << 20

  /// Null where PostgreSQL cannot hold the names, or too many bytes would be sent: a grid is not refused
  /// for what its classes are called.
  private static func classNames(_ names: [String]?, atMost left: inout Int) -> JSON {
    guard let names, !names.contains(where: { $0.contains("\0") }) else { return .null }
    let document = JSON.array(names.map(JSON.string))
    let bytes = document.encoded().utf8.count
    guard bytes <= left else { return .null }
    left -= bytes
    return document
  }
}

extension Plan {
  fileprivate func row(of planned: PlannedSetting, number: Int) -> SubmittedSetting {
    let setting = planned.setting
    let training = setting.spec.training
    var row = SubmittedSetting()
    row.number = number
    row.name = setting.name
    row.labels = .object(setting.labels)
    row.learningRate = setting.spec.learningRate.float
    row.schedule = setting.spec.schedule.name.rawValue
    row.optimizer = training.optimizer.name.rawValue
    row.variant = setting.variant
    row.classes = planned.facts?.classes
    row.samplesPerEpoch = planned.samplesPerEpoch
    row.chain = planned.stages
    return row
  }
}

extension PlannedStage {
  fileprivate func row(number: Int, spec digest: String, memory: Int, isPinned: Bool)
    -> SubmittedStage
  {
    var row = SubmittedStage()
    row.number = number
    row.setting = setting
    row.parent = parent
    row.identity = identity.text
    row.spec = digest
    row.law = stage.law.json
    row.memoryBytes = memory
    row.isPinned = isPinned
    row.probe = probe?.json
    return row
  }
}
