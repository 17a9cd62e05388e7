import Foundation
import Values

/// Numbers and text as people read them, at a terminal and on a page.

/// A number with so many digits behind the point; "" where there is none.
package func number(_ value: Double?, _ places: Int) -> String {
  guard let value else { return "" }
  return String(format: "%.\(places)f", value)
}

/// A share of 1 in percent, without the sign: "93.75".
package func percent(_ share: Double?) -> String { number(share.map { 100 * $0 }, 2) }

/// "1 stage", "2 stages".
package func count(_ number: Int, _ thing: String) -> String {
  "\(number) \(thing)\(number == 1 ? "" : "s")"
}

/// "0.1 .. 0.01", or "0.1" where both are the same.
package func span(_ first: String, _ last: String) -> String {
  first == last ? first : "\(first) .. \(last)"
}

/// "1.5 MB".
package func megabytes(_ bytes: Double) -> String { number(bytes / 1e6, 1) + " MB" }

/// "3 h 20 min", "12 min", "45 s".
package func time(seconds: Double) -> String {
  let seconds = Int(nearest: seconds)
  if seconds >= 3600 { return "\(seconds / 3600) h \(seconds % 3600 / 60) min" }
  return seconds >= 60 ? "\(seconds / 60) min" : "\(seconds) s"
}

/// Text without control characters, which would be commands to a terminal.
package func printable(_ text: String) -> String {
  if text.utf8.allSatisfy({ 0x20..<0x7F ~= $0 }) { return text }
  return String(
    String.UnicodeScalarView(
      text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
}

/// Text with its line breaks but without other control characters.
package func printableLines(_ text: String) -> String {
  text.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
    .joined(separator: "\n  ")
}

/// Text inside a page's elements.
package func escaped(_ text: String) -> String {
  let text = printable(text)
  guard text.utf8.contains(where: { "&<>\"".utf8.contains($0) }) else { return text }
  return text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
}
