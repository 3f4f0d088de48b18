// The floor under `dhow run --rm --network none IMAGE true`: the kernel work that no rootless start of a container can
// leave out, and nothing else. No options, no images, no records, no capabilities, no seccomp, no log.
//
//   floor FOLDER UID-BASE GID-BASE COUNT
//
// FOLDER holds `lower` (with /bin/busybox, /proc and /dev), `upper`, `work` and `merged`. The other three are the
// caller's range in /etc/subuid and /etc/subgid. Exit code 0: busybox's `true` ran; 125: a step failed, named on stderr.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void need(int ok, const char *step)
{
    if (ok)
        return;
    fprintf(stderr, "floor: %s: %s\n", step, strerror(errno));
    _exit(125);
}

// fork with new namespaces
static pid_t branch(int namespaces)
{
    return syscall(SYS_clone, (unsigned long)(namespaces | SIGCHLD), 0L, 0L, 0L, 0L);
}

static int result_of(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        need(errno == EINTR, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A container's first process: root file system, /proc, /dev, exec.
static void container(void)
{
    need(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
    // We stand in FOLDER: relative names keep the options short.
    need(!mount("overlay", "merged", "overlay", 0, "userxattr,lowerdir=lower,upperdir=upper,workdir=work"), "overlay");
    need(!chdir("merged"), "enter the root");
    need(!mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
    need(!mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755"), "dev");
    need(!syscall(SYS_pivot_root, ".", "."), "pivot_root");
    need(!umount2(".", MNT_DETACH), "leave the old root");
    execl("/bin/busybox", "busybox", "true", (char *)NULL);
    need(0, "exec busybox");
}

// Owns the user namespace and waits for the container, as a monitor does.
static void worker(int go)
{
    eventfd_t one;
    need(!eventfd_read(go, &one), "wait for the id maps");
    pid_t first = branch(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET);
    need(first >= 0, "clone the container");
    if (first == 0)
        container();
    _exit(result_of(first));
}

// Starts the set-uid helper that writes one of the two maps: our own id becomes 0, the range follows from 1 on.
static pid_t start_mapper(const char *helper, pid_t process, unsigned own, char *base, char *count)
{
    char pid[16], id[16];
    snprintf(pid, sizeof pid, "%d", process);
    snprintf(id, sizeof id, "%u", own);
    char *const words[] = {(char *)helper, pid, "0", id, "1", "1", base, count, NULL};
    pid_t child;
    errno = posix_spawnp(&child, helper, NULL, NULL, words, environ);
    need(errno == 0, helper);
    return child;
}

int main(int count, char **words)
{
    if (count != 5) {
        fputs("usage: floor FOLDER UID-BASE GID-BASE COUNT\n", stderr);
        return 125;
    }
    need(!chdir(words[1]), words[1]);
    int go = eventfd(0, EFD_CLOEXEC);
    need(go >= 0, "eventfd");
    pid_t child = branch(CLONE_NEWUSER | CLONE_NEWNS);
    need(child >= 0, "clone the worker");
    if (child == 0)
        worker(go);
    // Side by side: each helper costs more than everything between them.
    pid_t users = start_mapper("newuidmap", child, getuid(), words[2], words[4]);
    pid_t groups = start_mapper("newgidmap", child, getgid(), words[3], words[4]);
    int mapped = result_of(users) == 0;
    mapped &= result_of(groups) == 0;
    if (!mapped) {
        kill(child, SIGKILL);
        errno = EPERM;
        need(0, "write the id maps");
    }
    need(!eventfd_write(go, 1), "release the worker");
    return result_of(child);
}
