import JobQueue
import Postgres

/// The queue's clock in the hands of a test. It stands still until the test moves it, so that no
/// lease runs out because a machine is slow.
extension JobQueue {
  /// Stops the clock at the server's present time. Functions of schema `api` read this clock.
  package func stopClock() async throws {
    try await database.withConnection { connection throws(PostgresError) in
      try await connection.run(
        script: """
          create table public.test_clock (at timestamptz not null);
          insert into public.test_clock values (clock_timestamp());
          grant select on public.test_clock to public;
          create or replace function api.internal_now() returns timestamptz language sql volatile
          as 'select at from public.test_clock';
          """)
    }
  }

  /// Moves the stopped clock on.
  package func pass(_ duration: Duration) async throws {
    _ = try await database.query(
      "update public.test_clock set at = at + $1::interval",
      [.text("\(duration / .milliseconds(1)) milliseconds")])
  }

  /// Sets the stopped clock to so long after the server's last start.
  package func setClock(afterServerStart duration: Duration) async throws {
    _ = try await database.query(
      "update public.test_clock set at = pg_postmaster_start_time() + $1::interval",
      [.text("\(duration / .milliseconds(1)) milliseconds")])
  }

  /// Sets the stopped clock to so many milliseconds since 1970.
  package func setClock(milliseconds: Int) async throws {
    _ = try await database.query(
      "update public.test_clock set at = timestamptz 'epoch' + $1 * interval '1 ms'",
      [.integer(milliseconds)])
  }
}
