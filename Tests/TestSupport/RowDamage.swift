import Postgres
import Values

/// Removes and nulls each column of a row's answer; gives the columns that may be neither and whose
/// loss is not an error that names column and type.
package func unnoticedDamage<Row: TypedRow>(_ row: Row) -> [String] {
  let whole = row.json
  guard (try? Row(whole)) != nil else { return ["\(Row.sqlName) is not read back"] }
  return Row.columns.filter { column in
    let members = whole.members ?? []
    let removed = JSON.object(members.filter { $0.key != column.name })
    let nulled = JSON.object(
      members.map { .init($0.key, $0.key == column.name ? .null : $0.value) })
    return [removed, nulled].contains { damaged in
      do throws(UnreadableRow) {
        _ = try Row(damaged)
        return !column.isNullable
      } catch {
        return column.isNullable || error.column != column.name
          || !error.description.contains(column.type)
      }
    }
  }.map { "\(Row.sqlName) \($0.name)" }
}
