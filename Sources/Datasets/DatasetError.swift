import Values

/// What went wrong with a data set's files, on which one, and what to do.
package enum DatasetError: Error, Equatable, CustomStringConvertible {
  case absent(dataset: String, looked: [String])
  case damaged(file: String, reason: String)
  /// The files are not those that the run was planned with.
  case differs(dataset: String, expected: String, found: String)
  case outside(path: String)
  /// The spec asks for more samples than there are: its member, what it asks for, and what there is.
  case tooFew(member: String, asked: Int, available: Int)

  /// Names of files and columns may have any length.
  package var description: String { shortened(words, to: 2000) }

  private var words: String {
    switch self {
    case .absent(let dataset, let looked):
      "the data set \(dataset) is not here: looked in \(looked.joined(separator: ", ")); "
        + "set JOBCTL_DATA to the folder that holds it"
    case .damaged(let file, let reason): "\(file): \(reason)"
    case .differs(let dataset, let expected, let found):
      "the files of \(dataset) are not those of the plan: digest \(found.prefix(12)), "
        + "planned \(expected.prefix(12))"
    case .outside(let path): "\(path) leads out of the data folders"
    case .tooFew(let member, let asked, let available):
      "dataset.\(member): found \(asked); there are \(available)"
    }
  }
}

/// How many samples a spec asks of a split; all where it does not say.
enum Wanted {
  case train(Int?)
  case test(Int?)

  func count(of available: Int) throws(DatasetError) -> Int {
    let (member, asked) =
      switch self {
      case .train(let count): ("train", count)
      case .test(let count): ("test", count)
      }
    guard let asked else { return available }
    guard asked <= available else {
      throw .tooFew(member: member, asked: asked, available: available)
    }
    return asked
  }
}
