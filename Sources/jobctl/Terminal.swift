import Foundation

/// The size of a terminal as it is now: people resize them.
enum Terminal {
  static func size(of descriptor: Int32) -> (columns: Int, lines: Int) {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1, size.ws_row > 1 else {
      return (80, 24)
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Lines cut to what fits, the last one saying how many do not.
  static func fitted(_ text: String, columns: Int, lines: Int) -> String {
    let all = text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { String($0.prefix(columns - 1)) }
    guard all.count > lines - 1 else { return all.joined(separator: "\n") }
    let shown = max(1, lines - 2)
    return (all.prefix(shown) + ["... \(all.count - shown) more lines"]).joined(separator: "\n")
  }
}
