/// Runs one program for a worker, and ends every process that comes of it.
#pragma once

#include <stdint.h>
#include <sys/types.h>

/// How the program runs. Strings end with NUL.
struct supervision {
  /// The program and its arguments; a NULL ends them.
  char *const *arguments;
  /// The folder that it starts in.
  const char *folder;
  /// Takes what the program writes. When the file has `log_bytes`, the supervisor renames it to end
  /// in ".old" and begins a new one: two files remain, with the end of the output.
  const char *log;
  int64_t log_bytes;
  /// The user and group that it runs as; -1: those of the caller.
  int64_t user;
  int64_t group;
  /// Cores, for libraries of linear algebra.
  int threads;
};

/// Runs the program to its end and writes one line to standard output: "exit CODE", "signal NUMBER"
/// or "cannot CALL ERRNO". By then no process that came of the program lives.
///
/// Standard input is the line of life: the byte 'T' sends SIGTERM to the program's process group,
/// the byte 'K' or the end of the input (the worker is gone) kills everything. Returns the exit
/// status of this process.
int jobctl_supervise(const struct supervision *how);

/// Makes a pipe that no other program inherits: [reading end, writing end]. -1 with errno on
/// failure.
int jobctl_pipe(int ends[2]);

/// Makes two sockets that are connected and that no other program inherits. -1 with errno on
/// failure. Unlike a write to a pipe, jobctl_send to an end whose other end is closed raises no
/// SIGPIPE.
int jobctl_pair(int ends[2]);

/// Listens on a Unix socket at `path`, which must be short and not there yet. It belongs to `user`
/// where that is not -1. Returns a descriptor that does not block, or -1 with errno.
int jobctl_listen(const char *path, int64_t user, int64_t group);

/// Takes a connection; -1 where there is none. Neither it nor the listener blocks.
int jobctl_accept(int listener);

/// Sends all bytes that fit at once; no signal where the other end is closed.
ssize_t jobctl_send(int connection, const void *bytes, size_t count);
