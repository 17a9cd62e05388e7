import CPostgres

/// Where a database is, as libpq's connection strings and environment variables say it.
package struct ConnectionTarget: Sendable, Equatable {
  /// A key=value string or a URI; empty where the environment says everything.
  package let string: String

  /// Refuses what libpq cannot read, and passwords: arguments are visible to every user of a machine.
  package init(_ string: String, refusingPassword: Bool = true) throws(PostgresError) {
    var message: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(string, &message) else {
      PQfreemem(message)
      // libpq's own message quotes the address, and with it any password.
      throw .badTarget(
        "libpq cannot read it; write key=value pairs, or postgresql://user@host:port/database")
    }
    defer { PQconninfoFree(options) }
    let secrets = ["password", "sslpassword"]
    if refusingPassword,
      secrets.contains(where: { ConnectionTarget.value($0, options)?.isEmpty == false })
    {
      throw .badTarget(
        "a password in an argument is visible to every user of this machine; "
          + "use PGPASSFILE, a service file or the environment")
    }
    self.string = string
  }

  /// The connection's host, port, database and user for people, without secrets: what the string says,
  /// and what libpq takes from the environment where it says nothing.
  package var masked: String {
    guard let options = PQconninfoParse(string, nil), let defaults = PQconndefaults() else {
      return "?"
    }
    defer {
      PQconninfoFree(options)
      PQconninfoFree(defaults)
    }
    // A service that the string names decides before the environment does.
    let isService = ConnectionTarget.value("service", options) != nil
    let shown = ["service", "host", "port", "dbname", "user"].compactMap { key in
      (ConnectionTarget.value(key, options)
        ?? (isService ? nil : ConnectionTarget.value(key, defaults))).map { "\(key)=\($0)" }
    }
    return shown.joined(separator: " ")
  }

  private static func value(
    _ key: String, _ options: UnsafeMutablePointer<PQconninfoOption>
  ) -> String? {
    var option = options
    while let keyword = option.pointee.keyword {
      if String(cString: keyword) == key { return option.pointee.val.map { String(cString: $0) } }
      option += 1
    }
    return nil
  }
}
