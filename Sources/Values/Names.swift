/// Names that are safe in file names, SQL, CSV and terminals.

/// Names of grids, labels and files: safe in file names, SQL, CSV and terminals.
package func isValidName(_ name: String) -> Bool {
  (1...100).contains(name.utf8.count) && hasNameBytes(name)
}

/// Bytes that a run's name has at most: it names the values of all axes.
package let longestRunName = 400

package func hasNameBytes(_ name: String) -> Bool { name.utf8.allSatisfy(nameBytes.contains) }

package let namePattern = "^[A-Za-z0-9._=+,-]{1,100}$"

private let nameBytes = Set(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=+,-".utf8)
