/// Calls of Linux that Swift does not see: descriptors that are closed on exec from the start.

#define _GNU_SOURCE
#include "CSupervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int jobctl_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int jobctl_pair(int ends[2]) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends); }

int jobctl_listen(const char *path, int64_t user, int64_t group) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  // Between bind and chmod nobody else may connect: the folder is the worker's.
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0600) != 0
      || (user >= 0 && chown(path, (uid_t)user, (gid_t)group) != 0) || listen(listener, 1) != 0) {
    int reason = errno;
    close(listener);
    errno = reason;
    return -1;
  }
  return listener;
}

int jobctl_accept(int listener) {
  return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

ssize_t jobctl_send(int connection, const void *bytes, size_t count) {
  return send(connection, bytes, count, MSG_NOSIGNAL);
}
