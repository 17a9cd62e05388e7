import Experiments
import Foundation
import Values

/// What a program says to its worker: one line of JSON each (docs/TRAINERS.md).
package enum TrainerMessage: Equatable, Sendable {
  case progress(samples: Int)
  case measured(TrainerMeasurement)
  /// A file in the output folder holds the state at this sample.
  case checkpoint(samples: Int, file: String)
  case diverged(reason: String)
  /// The stage is trained; the file holds the state at its end.
  case finished(file: String?)

  /// A line that the contract does not know.
  package struct Unreadable: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ reason: String, in line: String) {
      description = "the trainer sent \(shortened(line, to: 200)): \(reason)"
    }
  }

  package init(_ line: String) throws(Unreadable) {
    let node: JSON
    do { node = try JSON(parsing: line) } catch {
      throw Unreadable("this is not JSON: \(error.description)", in: line)
    }
    func samples() throws(Unreadable) -> Int {
      guard let samples = node["samples"]?.intValue, samples >= 0 else {
        throw Unreadable("\"samples\", the sample clock, is missing or no whole number", in: line)
      }
      return samples
    }
    switch node["type"]?.stringValue {
    case "progress": self = .progress(samples: try samples())
    case "measured":
      self = .measured(try TrainerMeasurement(node, samples: try samples(), line: line))
    case "checkpoint":
      guard let file = node["file"]?.stringValue else {
        throw Unreadable("\"file\", a name in the output folder, is missing", in: line)
      }
      self = .checkpoint(samples: try samples(), file: file)
    case "diverged": self = .diverged(reason: node["reason"]?.stringValue ?? "it says so")
    case "finished": self = .finished(file: node["file"]?.stringValue)
    default:
      throw Unreadable(
        "\"type\" is progress, measured, checkpoint, diverged or finished", in: line)
    }
  }
}

/// Losses and accuracies at a point of the sample clock, and what else a program has measured.
package struct TrainerMeasurement: Equatable, Sendable {
  package var samples: Int
  package var trainLoss: Double?
  package var trainAccuracy: Double?
  package var testLoss: Double?
  package var testAccuracy: Double?
  package var validationLoss: Double?
  package var validationAccuracy: Double?
  package var testSamples: Int?
  /// Further numbers by name.
  package var numbers: [String: Double] = [:]

  package static let mostNumbers = 32
  private static let accuracies = ["train_accuracy", "test_accuracy", "validation_accuracy"]
  private static let known =
    accuracies + ["type", "samples", "train_loss", "test_loss", "validation_loss", "test_samples"]

  init(_ node: JSON, samples: Int, line: String) throws(TrainerMessage.Unreadable) {
    self.samples = samples
    for member in node.members ?? [] where member.key != "type" && !member.value.isNull {
      guard let value = member.value.doubleValue, value.isFinite else {
        throw .init("\(shortened(member.key, to: 60)) is no number", in: line)
      }
      if TrainerMeasurement.accuracies.contains(member.key), !(0...1).contains(value) {
        throw .init("\(member.key) is a share, from 0 to 1", in: line)
      }
      if !TrainerMeasurement.known.contains(member.key) {
        guard TrainerMeasurement.isName(member.key) else {
          throw .init(
            "\(shortened(member.key, to: 60)) is no name of a number: 1 to 40 lower-case letters, digits "
              + "and _, a letter first", in: line)
        }
        numbers[member.key] = value
      }
    }
    guard numbers.count <= TrainerMeasurement.mostNumbers else {
      throw .init(
        "it has \(numbers.count) further numbers; at most \(TrainerMeasurement.mostNumbers)",
        in: line)
    }
    func number(_ key: String) -> Double? { node[key]?.doubleValue }
    (trainLoss, trainAccuracy) = (number("train_loss"), number("train_accuracy"))
    (testLoss, testAccuracy) = (number("test_loss"), number("test_accuracy"))
    (validationLoss, validationAccuracy) =
      (number("validation_loss"), number("validation_accuracy"))
    testSamples = node["test_samples"]?.intValue
  }

  private static func isName(_ key: String) -> Bool {
    guard let first = key.utf8.first, key.utf8.count <= 40,
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= first
    else { return false }
    return key.utf8.allSatisfy {
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
        || $0 == UInt8(ascii: "_")
    }
  }
}

/// What a worker says to its program.
package enum TrainerOrder: String, Sendable {
  /// Save the state and go on.
  case checkpoint
  /// Save the state and end.
  case drain
  /// End: nothing of this is wanted any more.
  case abandon

  package var line: String { "{\"type\":\"\(rawValue)\"}\n" }
}
