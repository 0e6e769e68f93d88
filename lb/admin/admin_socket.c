/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/admin/admin_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG       64
#define LOCK_TRIES    200
#define LOCK_PAUSE_NS 10000000L

/* The folder itself carries the lock: no lock file is left behind, and the kernel drops it with its
 * holder. Returns the descriptor that holds it. */
static int lock_folder(const char *path)
{
	char dir[sizeof(((struct admin_socket *)0)->path)];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	int fd;

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else if (len == 0)
		snprintf(dir, sizeof(dir), "/");
	else
		snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < LOCK_TRIES; i++) {
		struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		nanosleep(&pause, NULL);
	}
	close(fd);
	return -EBUSY;
}

/* Does anybody accept here? Returns 1, 0 or -errno. */
static int answers(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : errno;
	close(fd);
	if (err == 0 || err == EAGAIN) /* EAGAIN: alive, its backlog is full */
		return 1;
	return err == ECONNREFUSED || err == ENOENT ? 0 : -err;
}

static int make_way(const struct sockaddr_un *addr)
{
	struct stat st;
	int alive;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	alive = answers(addr);
	if (alive != 0)
		return alive > 0 ? -EADDRINUSE : alive;
	return unlink(addr->sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int bind_and_listen(const struct sockaddr_un *addr, mode_t mode, struct admin_socket *s)
{
	struct stat st;

	/* The mode of the descriptor, less the umask, is the one the path is born with: at no time
	 * can more connect than in the end. */
	if (fchmod(s->fd, mode) != 0 ||
		bind(s->fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0)
		return -errno;
	if (chmod(addr->sun_path, mode) != 0 || listen(s->fd, BACKLOG) != 0 ||
		lstat(addr->sun_path, &st) != 0) {
		int err = -errno;

		unlink(addr->sun_path);
		return err;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

int admin_socket_open(const char *path, mode_t mode, struct admin_socket *out)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int lock, err;

	if (path[0] == '\0' || strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	snprintf(out->path, sizeof(out->path), "%s", path);
	lock = lock_folder(path);
	if (lock < 0)
		return lock;
	out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = out->fd < 0 ? -errno : make_way(&addr);
	if (err == 0)
		err = bind_and_listen(&addr, mode, out);
	close(lock);
	if (err < 0 && out->fd >= 0)
		close(out->fd);
	return err;
}

void admin_socket_close(struct admin_socket *s, bool close_fd)
{
	int lock = lock_folder(s->path);
	struct stat st;

	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	if (close_fd)
		close(s->fd);
	if (lock >= 0)
		close(lock);
}
