/// A process between a worker and a program. When either of them ends, however it ends, the
/// supervisor ends every process that came of the program. As a subreaper it inherits orphans, so
/// none escapes by forking twice. Where the system allows it, the program also lives in a PID
/// namespace: when that ends, the kernel ends all processes in it.

#define _GNU_SOURCE
#include "CSupervisor.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, const char *call, int number) {
  char line[128];
  int length = call ? snprintf(line, sizeof line, "%s %s %d\n", what, call, number)
                    : snprintf(line, sizeof line, "%s %d\n", what, number);
  // A worker that is gone hears nothing.
  ssize_t ignored = write(STDOUT_FILENO, line, (size_t)length);
  (void)ignored;
}

static void pause_ms(long ms) {
  struct timespec time = {.tv_nsec = ms * 1000000};
  nanosleep(&time, NULL);
}

// MARK: - The log

struct log {
  const char *path;
  int64_t limit, bytes;
  int file;
};

static void log_open(struct log *log) {
  log->file = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  struct stat facts;
  log->bytes = log->file >= 0 && fstat(log->file, &facts) == 0 ? facts.st_size : 0;
}

/// What does not fit on the disk is lost: training goes on.
static void log_write(struct log *log, const char *text, size_t count) {
  if (log->file < 0) return;
  if (log->bytes >= log->limit) {
    char old[4096];
    if (snprintf(old, sizeof old, "%s.old", log->path) < (int)sizeof old) rename(log->path, old);
    close(log->file);
    log_open(log);
    if (log->file < 0) return;
  }
  while (count > 0) {
    ssize_t written = write(log->file, text, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text += written;
    count -= (size_t)written;
    log->bytes += written;
  }
}

/// True while the output has not ended.
static int copy_output(struct log *log, int output) {
  char text[65536];
  ssize_t count = read(output, text, sizeof text);
  if (count > 0) log_write(log, text, (size_t)count);
  return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
}

// MARK: - Ending

/// The parent of a process; 0 if there is none such.
static pid_t parent_of(pid_t process) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  if (count <= 0) return 0;
  text[count] = 0;
  // The name may hold anything; the last bracket ends it.
  char *end = strrchr(text, ')');
  int parent = 0;
  char state;
  return end && sscanf(end + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

/// Sends SIGKILL to every child of this process: orphans have become children.
static void kill_children(void) {
  DIR *folder = opendir("/proc");
  if (!folder) return;
  struct dirent *entry;
  while ((entry = readdir(folder))) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    pid_t process = (pid_t)atoi(entry->d_name);
    if (process > 1 && parent_of(process) == getpid()) kill(process, SIGKILL);
  }
  closedir(folder);
}

/// Returns when no descendant is left. A descendant that waits for a device keeps it waiting.
static void end_all(void) {
  while (1) {
    if (getpid() == 1) {
      kill(-1, SIGKILL);
    } else {
      kill_children();
    }
    int reaped = 0;
    pid_t process;
    while ((process = waitpid(-1, NULL, WNOHANG)) > 0) reaped = 1;
    if (process < 0 && errno == ECHILD) return;
    if (!reaped) pause_ms(5);
  }
}

// MARK: - The program

static void fail_in_child(int channel, const char *call) {
  char text[64];
  int length = snprintf(text, sizeof text, "%s %d", call, errno);
  ssize_t ignored = write(channel, text, (size_t)length);
  (void)ignored;
  _exit(127);
}

static void become_program(const struct supervision *how, int output, int channel) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  int empty = open("/dev/null", O_RDONLY);
  if (empty < 0 || dup2(empty, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0
      || dup2(output, STDERR_FILENO) < 0)
    fail_in_child(channel, "dup2");
  // Where memory runs out, the program goes, not its worker.
  int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score >= 0) {
    ssize_t ignored = write(score, "500", 3);
    (void)ignored;
    close(score);
  }
  char threads[16];
  snprintf(threads, sizeof threads, "%d", how->threads);
  const char *libraries[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"};
  for (int i = 0; i < 3; i++) setenv(libraries[i], threads, 1);
  if (how->group >= 0) {
    gid_t group = (gid_t)how->group;
    if (setgroups(1, &group) != 0 || setgid(group) != 0) fail_in_child(channel, "setgid");
  }
  if (how->user >= 0 && setuid((uid_t)how->user) != 0) fail_in_child(channel, "setuid");
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (chdir(how->folder) != 0) fail_in_child(channel, "chdir");
  if (channel != 3) {
    dup2(channel, 3);
    channel = 3;
  }
  fcntl(channel, F_SETFD, FD_CLOEXEC);
  syscall(SYS_close_range, 4u, ~0u, 0u);
  execvp(how->arguments[0], how->arguments);
  fail_in_child(channel, "exec");
}

/// The reason why the program did not start, from its own process; 0 where it did.
static int could_not_start(int channel) {
  char text[64];
  ssize_t count;
  do { count = read(channel, text, sizeof text - 1); } while (count < 0 && errno == EINTR);
  if (count <= 0) return 0;
  text[count] = 0;
  char call[16];
  int number;
  if (sscanf(text, "%15s %d", call, &number) == 2) say("cannot", call, number);
  return 1;
}

/// Starts the program and attends to it until nothing of it is left.
static int attend(const struct supervision *how) {
  sigset_t all, child;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  int output[2], channel[2];
  if (signals < 0 || pipe2(output, O_CLOEXEC) != 0 || pipe2(channel, O_CLOEXEC) != 0) {
    say("cannot", "pipe", errno);
    return 1;
  }
  struct log log = {.path = how->log, .limit = how->log_bytes};
  log_open(&log);
  pid_t program = fork();
  if (program < 0) {
    say("cannot", "fork", errno);
    return 1;
  }
  if (program == 0) become_program(how, output[1], channel[1]);
  close(output[1]);
  close(channel[1]);
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  if (could_not_start(channel[0])) {
    end_all();
    return 1;
  }

  int status = 0, lives = 1;
  struct pollfd waits[3] = {
    {.fd = STDIN_FILENO, .events = POLLIN},
    {.fd = output[0], .events = POLLIN},
    {.fd = signals, .events = POLLIN},
  };
  while (lives) {
    if (poll(waits, 3, -1) < 0 && errno != EINTR) break;
    if (waits[0].revents) {
      char order;
      ssize_t count = read(STDIN_FILENO, &order, 1);
      if (count == 1 && order == 'T') {
        kill(-program, SIGTERM);
      } else if (count == 0 || (count == 1 && order == 'K')) {
        kill(-program, SIGKILL);
        kill(program, SIGKILL);
        waits[0].fd = -1;
      }
    }
    if (waits[1].revents && !copy_output(&log, output[0])) waits[1].fd = -1;
    if (waits[2].revents) {
      struct signalfd_siginfo info;
      while (read(signals, &info, sizeof info) == sizeof info) {}
      int found;
      pid_t process;
      while ((process = waitpid(-1, &found, WNOHANG)) > 0) {
        if (process == program) {
          status = found;
          lives = 0;
        }
      }
    }
  }
  end_all();
  while (poll(&waits[1], 1, 0) > 0 && waits[1].revents & POLLIN && copy_output(&log, output[0])) {}
  if (WIFSIGNALED(status)) {
    say("signal", NULL, WTERMSIG(status));
  } else {
    say("exit", NULL, WEXITSTATUS(status));
  }
  return 0;
}

/// Mounts a /proc that shows the namespace's own processes. Without it the program works, and sees
/// the numbers of others.
static void mount_proc(void) {
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return;
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
}

int jobctl_supervise(const struct supervision *how) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  // The first process of the namespace is its init. Unlike unshare, this works beside threads.
  pid_t inner = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  if (inner < 0) return attend(how);
  if (inner == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    mount_proc();
    _exit(attend(how));
  }
  // The worker's death ends the inner process by its standard input, this one's death by a signal.
  int status;
  while (waitpid(inner, &status, 0) < 0 && errno == EINTR) {}
  if (WIFSIGNALED(status)) say("signal", NULL, WTERMSIG(status));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
