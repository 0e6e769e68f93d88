// SPDX-License-Identifier: Apache-2.0
// Debian's librocksdb is built without io_uring, so its MultiRead is a loop of preads. Here the
// requests of one MultiRead go to the kernel together, which is where a device's parallelism is;
// everything else is left to RocksDB's own POSIX file system, because it was measured to be as
// good (single reads) or better (logs: a buffered write with fsync is punted to a kernel thread).
//
// rocksdb/c.h has no constructor for an environment, a logger, a listener or a filter. Its handle
// types are mirrored below; the version check makes a changed library a compile error.
#include "storage/uring_fs.h"

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/version.h>

namespace rdb = ROCKSDB_NAMESPACE;

static_assert(ROCKSDB_MAJOR == 7 && ROCKSDB_MINOR == 8,
	"compare the handle types of db/c.cc before building against another release");

struct rocksdb_env_t {
	rdb::Env *rep;
	bool is_default;
};

namespace
{

constexpr size_t direct_align = 4096;

enum file_kind { FILE_LOG, FILE_DATA, FILE_META };

bool ends_with(const std::string &s, const char *tail)
{
	size_t n = strlen(tail);

	return s.size() >= n && s.compare(s.size() - n, n, tail) == 0;
}

file_kind kind_of(const std::string &name)
{
	if (ends_with(name, ".log"))
		return FILE_LOG;
	return ends_with(name, ".sst") || ends_with(name, ".blob") ? FILE_DATA : FILE_META;
}

rdb::IOStatus io_error(const std::string &what, int err)
{
	if (err == ENOSPC)
		return rdb::IOStatus::NoSpace(what, strerror(err));
	return rdb::IOStatus::IOError(what, strerror(err));
}

struct counts {
#define FIELD(name, text) std::atomic<uint64_t> name{0};
	URING_FS_COUNTERS(FIELD)
#undef FIELD
};

void bump(std::atomic<uint64_t> &c, uint64_t n = 1)
{
	c.fetch_add(n, std::memory_order_relaxed);
}

// An armed fault counts down `skip`, then `times`; both in one word so that two threads cannot
// split a step.
struct fault {
	std::atomic<uint64_t> left{0}; // skip << 32 | times
	std::atomic<int> err{0};

	int take()
	{
		uint64_t v = left.load(std::memory_order_acquire);

		while (v != 0) {
			uint64_t next = v >> 32 != 0 ? v - (uint64_t(1) << 32) : v - 1;

			if (left.compare_exchange_weak(v, next, std::memory_order_acq_rel))
				return v >> 32 != 0 ? 0 : err.load(std::memory_order_relaxed);
		}
		return 0;
	}
};

struct shared {
	counts c;
	fault faults[URING_FS_FAULT_CNT];
	bool use_uring;

	int injected(uring_fs_fault kind)
	{
		int err = faults[kind].take();

		if (err != 0)
			bump(c.faults);
		return err;
	}
};

// One ring of one thread. `ready` is false where the kernel refuses: containers often forbid
// io_uring, and locked memory may be short. It is not tried again by that thread.
struct ring {
	io_uring r;
	bool tried = false, ready = false;
	unsigned inflight = 0;

	bool open(counts &c)
	{
		if (tried)
			return ready;
		tried = true;
		int rc = init(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
		if (rc == -EINVAL)
			rc = init(0);
		ready = rc == 0;
		bump(ready ? c.rings : c.rings_refused);
		return ready;
	}

	int init(unsigned flags)
	{
		io_uring_params p;

		memset(&p, 0, sizeof(p));
		p.flags = flags;
		return io_uring_queue_init_params(URING_FS_DEPTH, &r, &p);
	}

	~ring()
	{
		if (ready)
			io_uring_queue_exit(&r);
	}
};

// UF1. An iterator's read-aheads stay in flight while the same thread runs a MultiRead: with one
// ring each would reap the other's completions.
struct thread_rings {
	ring sync, async;
};
thread_local thread_rings rings;

// pread until n bytes, the end of the file or an error. A direct read that returns less than a
// whole block has met the end; going on from there would be misaligned.
int pread_rest(int fd, char *buf, size_t n, uint64_t off, bool direct, size_t *got)
{
	while (*got < n) {
		ssize_t k = pread(fd, buf + *got, n - *got, off_t(off + *got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno;
		*got += size_t(k);
		if (k == 0 || (direct && *got % direct_align != 0))
			break;
	}
	return 0;
}

struct table_file;

// A read-ahead: the handle RocksDB keeps between ReadAsync and Poll.
struct async_read {
	const table_file *file;
	ring *owner;
	rdb::FSReadRequest req;
	std::function<void(const rdb::FSReadRequest &, void *)> cb;
	void *cb_arg;
	bool done;
	bool aborted;
};

struct table_file : rdb::FSRandomAccessFileOwnerWrapper {
	shared *s;
	std::string name;
	int fd;
	bool direct;

	table_file(std::unique_ptr<rdb::FSRandomAccessFile> &&base, shared *sh, std::string n,
		int f, bool d)
	    : FSRandomAccessFileOwnerWrapper(std::move(base)), s(sh), name(std::move(n)), fd(f),
	      direct(d)
	{
	}

	~table_file() override
	{
		close(fd);
	}

	rdb::IOStatus Read(uint64_t off, size_t n, const rdb::IOOptions &opt, rdb::Slice *result,
		char *scratch, rdb::IODebugContext *dbg) const override
	{
		int err = s->injected(URING_FS_READ);
		rdb::IOStatus st;

		bump(s->c.single_reads);
		st = err != 0 ? io_error(name, err)
			      : target()->Read(off, n, opt, result, scratch, dbg);
		if (!st.ok())
			bump(s->c.read_errors);
		return st;
	}

	// res is what the kernel said: bytes or -errno. Fills in the request's outcome.
	void finish(rdb::FSReadRequest &q, int res) const
	{
		size_t got = res > 0 ? size_t(res) : 0;
		int err = s->injected(URING_FS_READ);

		if (err == 0 && res < 0 && res != -EAGAIN && res != -EINTR)
			err = -res;
		bool at_end = res == 0 || (direct && got % direct_align != 0);
		if (err == 0 && got < q.len && !at_end) {
			bump(s->c.short_reads);
			err = pread_rest(fd, q.scratch, q.len, q.offset, direct, &got);
		}
		q.result = rdb::Slice(q.scratch, err == 0 ? got : 0);
		q.status = err == 0 ? rdb::IOStatus::OK() : io_error(name, err);
		if (err != 0)
			bump(s->c.read_errors);
	}

	void by_pread(rdb::FSReadRequest &q) const
	{
		size_t got = 0;
		int err = pread_rest(fd, q.scratch, q.len, q.offset, direct, &got);

		bump(s->c.fallback_reqs);
		finish(q, err != 0 ? -err : int(got));
	}

	rdb::IOStatus MultiRead(rdb::FSReadRequest *reqs, size_t n, const rdb::IOOptions &opt,
		rdb::IODebugContext *dbg) override;
	rdb::IOStatus ReadAsync(rdb::FSReadRequest &req, const rdb::IOOptions &opt,
		std::function<void(const rdb::FSReadRequest &, void *)> cb, void *cb_arg,
		void **handle, rdb::IOHandleDeleter *del, rdb::IODebugContext *dbg) override;
};

// Hands every prepared request to the kernel and waits for at least one completion. A hard error
// of io_uring_enter is returned; requests the kernel took stay in flight.
int submit_and_wait(ring &g)
{
	for (;;) {
		int rc = io_uring_submit_and_wait(&g.r, 1);

		if (rc >= 0)
			return 0;
		if (io_uring_cq_ready(&g.r) > 0)
			return 0;
		// With nothing in the kernel's hands nothing can end its lack of memory.
		if (rc != -EINTR && (rc != -EAGAIN || g.inflight == io_uring_sq_ready(&g.r)) &&
			rc != -EBUSY)
			return rc;
	}
}

// UF2: after a hard error the kernel may still own buffers of requests it took. The ring is given
// up; closing it is not enough, so the completions are awaited by looking at the shared queue.
void abandon(ring &g)
{
	g.inflight -= io_uring_sq_ready(&g.r);
	while (g.inflight > 0) {
		io_uring_cqe *cqe;
		timespec pause = {0, 100000};

		(void)io_uring_get_events(&g.r);
		if (io_uring_peek_cqe(&g.r, &cqe) != 0) {
			nanosleep(&pause, nullptr);
			continue;
		}
		io_uring_cqe_seen(&g.r, cqe);
		g.inflight--;
	}
	io_uring_queue_exit(&g.r);
	g.ready = false;
}

rdb::IOStatus table_file::MultiRead(
	rdb::FSReadRequest *reqs, size_t n, const rdb::IOOptions &opt, rdb::IODebugContext *dbg)
{
	ring &g = rings.sync;

	if (n == 1) {
		reqs[0].status = Read(
			reqs[0].offset, reqs[0].len, opt, &reqs[0].result, reqs[0].scratch, dbg);
		return rdb::IOStatus::OK();
	}
	for (size_t base = 0; base < n; base += URING_FS_DEPTH) {
		size_t end = base + URING_FS_DEPTH < n ? base + URING_FS_DEPTH : n;
		size_t next = base, done = base;
		bool answered[URING_FS_DEPTH] = {};

		if (s->use_uring && g.open(s->c)) {
			for (; next < end; next++) {
				io_uring_sqe *sqe = io_uring_get_sqe(&g.r);

				if (sqe == nullptr)
					break;
				io_uring_prep_read(sqe, fd, reqs[next].scratch,
					unsigned(reqs[next].len), reqs[next].offset);
				sqe->user_data = next - base;
				g.inflight++;
			}
			bump(s->c.multi_reads);
			bump(s->c.multi_reqs, next - base);
		}
		while (done < next) {
			io_uring_cqe *cqe;

			if (submit_and_wait(g) != 0) {
				abandon(g);
				break;
			}
			while (io_uring_peek_cqe(&g.r, &cqe) == 0) {
				size_t i = cqe->user_data;
				int res = cqe->res;

				io_uring_cqe_seen(&g.r, cqe);
				g.inflight--;
				done++;
				answered[i] = true;
				finish(reqs[base + i], res);
			}
		}
		for (size_t i = base; i < end; i++)
			if (!answered[i - base])
				by_pread(reqs[i]);
	}
	return rdb::IOStatus::OK();
}

rdb::IOStatus table_file::ReadAsync(rdb::FSReadRequest &req, const rdb::IOOptions &opt,
	std::function<void(const rdb::FSReadRequest &, void *)> cb, void *cb_arg, void **handle,
	rdb::IOHandleDeleter *del, rdb::IODebugContext *dbg)
{
	ring &g = rings.async;
	io_uring_sqe *sqe = nullptr;

	if (s->use_uring && g.open(s->c) && g.inflight < URING_FS_DEPTH)
		sqe = io_uring_get_sqe(&g.r);
	if (sqe == nullptr) {
		req.status = Read(req.offset, req.len, opt, &req.result, req.scratch, dbg);
		cb(req, cb_arg);
		return rdb::IOStatus::OK();
	}
	auto *a =
		new async_read{this, &g, rdb::FSReadRequest(), std::move(cb), cb_arg, false, false};
	a->req.offset = req.offset;
	a->req.len = req.len;
	a->req.scratch = req.scratch;
	io_uring_prep_read(sqe, fd, req.scratch, unsigned(req.len), req.offset);
	io_uring_sqe_set_data(sqe, a);
	g.inflight++;
	bump(s->c.async_reads);
	// A failed submit leaves the request prepared; Poll submits again before it waits.
	(void)io_uring_submit(&g.r);
	*handle = a;
	*del = [](void *p) { delete static_cast<async_read *>(p); };
	return rdb::IOStatus::OK();
}

void reap_async(ring &g)
{
	io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&g.r, &cqe) == 0) {
		auto *a = static_cast<async_read *>(io_uring_cqe_get_data(cqe));
		int res = cqe->res;

		io_uring_cqe_seen(&g.r, cqe);
		g.inflight--;
		a->done = true;
		if (a->aborted)
			a->req.status = rdb::IOStatus::Aborted();
		else
			a->file->finish(a->req, res);
		a->cb(a->req, a->cb_arg);
	}
}

// Waits until a is done. A ring belongs to its thread; RocksDB polls an iterator's read-aheads
// where the iterator is used, and we never move an iterator to another thread.
rdb::IOStatus await_async(async_read *a)
{
	ring &g = rings.async;

	if (a->owner != &g)
		return rdb::IOStatus::NotSupported("a read-ahead of another thread");
	while (!a->done) {
		int rc = submit_and_wait(g);

		if (rc != 0)
			return io_error(a->file->name, -rc);
		reap_async(g);
	}
	return rdb::IOStatus::OK();
}

struct writable_file : rdb::FSWritableFileOwnerWrapper {
	shared *s;
	std::string name;
	file_kind kind;

	writable_file(
		std::unique_ptr<rdb::FSWritableFile> &&base, shared *sh, std::string n, file_kind k)
	    : FSWritableFileOwnerWrapper(std::move(base)), s(sh), name(std::move(n)), kind(k)
	{
	}

	rdb::IOStatus counted(rdb::IOStatus st)
	{
		if (!st.ok())
			bump(s->c.write_errors);
		return st;
	}

	int write_fault(size_t n)
	{
		if (kind == FILE_LOG) {
			bump(s->c.log_bytes, n);
			return s->injected(URING_FS_LOG_WRITE);
		}
		if (kind == FILE_META)
			return s->injected(URING_FS_META_WRITE);
		return s->injected(URING_FS_DATA_WRITE);
	}

	int sync_fault()
	{
		if (kind == FILE_LOG) {
			bump(s->c.log_syncs);
			return s->injected(URING_FS_LOG_SYNC);
		}
		return s->injected(kind == FILE_META ? URING_FS_META_WRITE : URING_FS_DATA_SYNC);
	}

	rdb::IOStatus Append(
		const rdb::Slice &d, const rdb::IOOptions &o, rdb::IODebugContext *dbg) override
	{
		int err = write_fault(d.size());

		return counted(err != 0 ? io_error(name, err)
					: FSWritableFileOwnerWrapper::Append(d, o, dbg));
	}

	rdb::IOStatus Append(const rdb::Slice &d, const rdb::IOOptions &o,
		const rdb::DataVerificationInfo &v, rdb::IODebugContext *dbg) override
	{
		int err = write_fault(d.size());

		return counted(err != 0 ? io_error(name, err)
					: FSWritableFileOwnerWrapper::Append(d, o, v, dbg));
	}

	rdb::IOStatus PositionedAppend(const rdb::Slice &d, uint64_t off, const rdb::IOOptions &o,
		rdb::IODebugContext *dbg) override
	{
		int err = write_fault(d.size());

		return counted(
			err != 0 ? io_error(name, err)
				 : FSWritableFileOwnerWrapper::PositionedAppend(d, off, o, dbg));
	}

	rdb::IOStatus PositionedAppend(const rdb::Slice &d, uint64_t off, const rdb::IOOptions &o,
		const rdb::DataVerificationInfo &v, rdb::IODebugContext *dbg) override
	{
		int err = write_fault(d.size());

		return counted(
			err != 0 ? io_error(name, err)
				 : FSWritableFileOwnerWrapper::PositionedAppend(d, off, o, v, dbg));
	}

	rdb::IOStatus Sync(const rdb::IOOptions &o, rdb::IODebugContext *dbg) override
	{
		int err = sync_fault();

		return counted(
			err != 0 ? io_error(name, err) : FSWritableFileOwnerWrapper::Sync(o, dbg));
	}

	rdb::IOStatus Fsync(const rdb::IOOptions &o, rdb::IODebugContext *dbg) override
	{
		int err = sync_fault();

		return counted(
			err != 0 ? io_error(name, err) : FSWritableFileOwnerWrapper::Fsync(o, dbg));
	}
};

struct file_system : rdb::FileSystemWrapper {
	shared s;

	explicit file_system(bool use_uring) : FileSystemWrapper(rdb::FileSystem::Default())
	{
		s.use_uring = use_uring;
	}

	const char *Name() const override
	{
		return "weir_uring_fs";
	}

	rdb::IOStatus NewRandomAccessFile(const std::string &name, const rdb::FileOptions &opt,
		std::unique_ptr<rdb::FSRandomAccessFile> *out, rdb::IODebugContext *dbg) override
	{
		std::unique_ptr<rdb::FSRandomAccessFile> base;
		rdb::IOStatus st = target()->NewRandomAccessFile(name, opt, &base, dbg);
		int fd;

		if (!st.ok() || kind_of(name) != FILE_DATA || opt.use_mmap_reads) {
			*out = std::move(base);
			return st;
		}
		fd = open(
			name.c_str(), O_RDONLY | O_CLOEXEC | (opt.use_direct_reads ? O_DIRECT : 0));
		if (fd < 0)
			return io_error(name, errno);
		out->reset(new table_file(std::move(base), &s, name, fd, opt.use_direct_reads));
		return st;
	}

	rdb::IOStatus wrap(rdb::IOStatus st, const std::string &name,
		std::unique_ptr<rdb::FSWritableFile> &base,
		std::unique_ptr<rdb::FSWritableFile> *out)
	{
		if (st.ok())
			out->reset(new writable_file(std::move(base), &s, name, kind_of(name)));
		return st;
	}

	rdb::IOStatus NewWritableFile(const std::string &name, const rdb::FileOptions &opt,
		std::unique_ptr<rdb::FSWritableFile> *out, rdb::IODebugContext *dbg) override
	{
		std::unique_ptr<rdb::FSWritableFile> base;

		return wrap(target()->NewWritableFile(name, opt, &base, dbg), name, base, out);
	}

	rdb::IOStatus ReopenWritableFile(const std::string &name, const rdb::FileOptions &opt,
		std::unique_ptr<rdb::FSWritableFile> *out, rdb::IODebugContext *dbg) override
	{
		std::unique_ptr<rdb::FSWritableFile> base;

		return wrap(target()->ReopenWritableFile(name, opt, &base, dbg), name, base, out);
	}

	rdb::IOStatus ReuseWritableFile(const std::string &name, const std::string &old,
		const rdb::FileOptions &opt, std::unique_ptr<rdb::FSWritableFile> *out,
		rdb::IODebugContext *dbg) override
	{
		std::unique_ptr<rdb::FSWritableFile> base;

		return wrap(
			target()->ReuseWritableFile(name, old, opt, &base, dbg), name, base, out);
	}

	rdb::IOStatus Poll(std::vector<void *> &handles, size_t) override
	{
		for (void *h : handles) {
			rdb::IOStatus st = await_async(static_cast<async_read *>(h));

			if (!st.ok())
				return st;
		}
		return rdb::IOStatus::OK();
	}

	// UF2: RocksDB frees the buffers after this, so the reads are awaited; a device answers
	// sooner than a cancellation would. The callback runs all the same, against what
	// file_system.h says: it frees what RocksDB has allocated for the read.
	rdb::IOStatus AbortIO(std::vector<void *> &handles) override
	{
		for (void *h : handles) {
			auto *a = static_cast<async_read *>(h);

			a->aborted = true;
			rdb::IOStatus st = await_async(a);
			if (!st.ok())
				return st;
		}
		return rdb::IOStatus::OK();
	}
};

struct event_listener : rdb::EventListener {
	uring_fs_events ev;

	explicit event_listener(const uring_fs_events &e) : ev(e)
	{
	}

	const char *Name() const override
	{
		return "weir_events";
	}

	void OnBackgroundError(rdb::BackgroundErrorReason, rdb::Status *st) override
	{
		ev.error(ev.ctx, st->severity(), st->IsNoSpace(), st->IsCorruption(),
			st->ToString().c_str());
	}

	// The shard decides when to resume: it also knows of the ballast and of other shards.
	void OnErrorRecoveryBegin(rdb::BackgroundErrorReason, rdb::Status, bool *automatic) override
	{
		*automatic = false;
	}

	void OnStallConditionsChanged(const rdb::WriteStallInfo &i) override
	{
		uring_fs_stall now = URING_FS_STALL_NONE;

		if (i.condition.cur == rdb::WriteStallCondition::kDelayed)
			now = URING_FS_STALL_DELAYED;
		else if (i.condition.cur == rdb::WriteStallCondition::kStopped)
			now = URING_FS_STALL_STOPPED;
		ev.stall(ev.ctx, now);
	}

	void OnFlushCompleted(rdb::DB *, const rdb::FlushJobInfo &i) override
	{
		ev.flushed(ev.ctx, i.table_properties.data_size);
	}

	void OnCompactionCompleted(rdb::DB *, const rdb::CompactionJobInfo &i) override
	{
		ev.compacted(ev.ctx, i.stats.total_input_bytes, i.stats.total_output_bytes);
	}
};

// RocksDB's own logger writes a file of its own, and on a full disk that write trips an assertion
// of the library. This one writes nowhere.
struct logger : rdb::Logger {
	uring_fs_events ev;

	explicit logger(const uring_fs_events &e) : Logger(rdb::WARN_LEVEL), ev(e)
	{
	}

	~logger() override
	{
		(void)Close();
	}

	using Logger::Logv;

	void Logv(const char *fmt, va_list ap) override
	{
		Logv(rdb::INFO_LEVEL, fmt, ap);
	}

	void Logv(const rdb::InfoLogLevel level, const char *fmt, va_list ap) override
	{
		char text[512];

		if (level < GetInfoLogLevel())
			return;
		vsnprintf(text, sizeof(text), fmt, ap);
		ev.log(ev.ctx, int(level), text);
	}

	void LogHeader(const char *, va_list) override
	{
	}

	rdb::Status CloseImpl() override
	{
		return rdb::Status::OK();
	}
};

struct filter : rdb::CompactionFilter {
	uring_fs_events ev;

	explicit filter(const uring_fs_events &e) : ev(e)
	{
	}

	const char *Name() const override
	{
		return "weir_expiry";
	}

	bool Filter(int, const rdb::Slice &key, const rdb::Slice &val, std::string *,
		bool *) const override
	{
		return ev.drop(ev.ctx, key.data(), key.size(), val.data(), val.size());
	}
};

// c.h's handles are structs with the C++ object as their first member.
template <class T, class H> T *rep_of(H *handle)
{
	return reinterpret_cast<T *>(handle);
}

int to_text(const rdb::Status &st, char *err, size_t err_len)
{
	if (st.ok())
		return 0;
	snprintf(err, err_len, "%s", st.ToString().c_str());
	return -EIO;
}

} // namespace

struct uring_fs {
	std::shared_ptr<file_system> fs;
	rocksdb_env_t env;
};

extern "C" struct uring_fs *uring_fs_create(bool use_uring)
{
	auto *f = new (std::nothrow) uring_fs;

	if (f == nullptr)
		return nullptr;
	f->fs = std::make_shared<file_system>(use_uring);
	f->env.rep = rdb::NewCompositeEnv(f->fs).release();
	f->env.is_default = false;
	return f;
}

extern "C" void uring_fs_destroy(struct uring_fs *fs)
{
	if (fs == nullptr)
		return;
	delete fs->env.rep;
	delete fs;
}

extern "C" struct rocksdb_env_t *uring_fs_env(struct uring_fs *fs)
{
	return &fs->env;
}

extern "C" void uring_fs_set_threads(struct uring_fs *fs, int flush, int compaction)
{
	fs->env.rep->SetBackgroundThreads(flush, rdb::Env::HIGH);
	fs->env.rep->SetBackgroundThreads(compaction, rdb::Env::LOW);
}

extern "C" void uring_fs_get_counts(const struct uring_fs *fs, struct uring_fs_counts *out)
{
#define LOAD(name, text) out->name = fs->fs->s.c.name.load(std::memory_order_relaxed);
	URING_FS_COUNTERS(LOAD)
#undef LOAD
}

extern "C" void uring_fs_inject(
	struct uring_fs *fs, enum uring_fs_fault kind, uint32_t skip, uint32_t times, int err)
{
	fault &f = fs->fs->s.faults[kind];

	f.left.store(0, std::memory_order_release);
	f.err.store(err, std::memory_order_relaxed);
	if (times > 0)
		f.left.store(uint64_t(skip) << 32 | times, std::memory_order_release);
}

extern "C" bool uring_fs_direct_works(const char *dir)
{
	std::string name = std::string(dir) + "/.direct-probe";
	int fd = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);

	if (fd >= 0)
		close(fd);
	(void)unlink(name.c_str());
	return fd >= 0;
}

namespace
{

constexpr size_t probe_block = 4096, probe_blocks = 8;

bool probe_write(const std::string &name)
{
	int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	std::string block(probe_block, '\0');
	bool ok = fd >= 0;

	for (size_t i = 0; ok && i < probe_blocks; i++) {
		memset(&block[0], int('a' + i), probe_block);
		ok = write(fd, block.data(), probe_block) == ssize_t(probe_block);
	}
	ok = ok && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

bool probe_matches(const rdb::FSReadRequest &q)
{
	if (!q.status.ok() || q.result.size() != probe_block)
		return false;
	for (size_t i = 0; i < probe_block; i++)
		if (q.result.data()[i] != char('a' + q.offset / probe_block))
			return false;
	return true;
}

bool probe_read(rdb::FileSystem *fs, const std::string &name, bool direct)
{
	std::unique_ptr<rdb::FSRandomAccessFile> file;
	rdb::FileOptions opt;
	rdb::FSReadRequest reqs[probe_blocks];
	std::unique_ptr<char, void (*)(void *)> buf(
		static_cast<char *>(aligned_alloc(direct_align, probe_block * probe_blocks)), free);
	std::vector<void *> handles(1);
	rdb::IOHandleDeleter del;
	bool seen = false;

	opt.use_direct_reads = direct;
	opt.use_mmap_reads = false;
	if (!buf || !fs->NewRandomAccessFile(name, opt, &file, nullptr).ok())
		return false;
	for (size_t i = 0; i < probe_blocks; i++) {
		reqs[i].offset = (i * 3 % probe_blocks) * probe_block;
		reqs[i].len = probe_block;
		reqs[i].scratch = buf.get() + i * probe_block;
	}
	if (!file->MultiRead(reqs, probe_blocks, rdb::IOOptions(), nullptr).ok())
		return false;
	for (const rdb::FSReadRequest &q : reqs)
		if (!probe_matches(q))
			return false;
	rdb::IOStatus st = file->ReadAsync(
		reqs[1], rdb::IOOptions(),
		[&seen](const rdb::FSReadRequest &q, void *) { seen = probe_matches(q); }, nullptr,
		&handles[0], &del, nullptr);
	if (st.ok() && handles[0] != nullptr) {
		st = fs->Poll(handles, 1);
		del(handles[0]);
	}
	return st.ok() && seen;
}

} // namespace

extern "C" int uring_fs_self_check(struct uring_fs *fs, const char *dir)
{
	std::string name = std::string(dir) + "/.ring-probe.sst";
	uring_fs_counts before, after;
	bool ok;

	uring_fs_get_counts(fs, &before);
	ok = probe_write(name) && probe_read(fs->fs.get(), name, uring_fs_direct_works(dir));
	(void)unlink(name.c_str());
	uring_fs_get_counts(fs, &after);
	if (!ok)
		return -EIO;
	return after.multi_reqs > before.multi_reqs && after.async_reads > before.async_reads
		       ? 0
		       : -ENOSYS;
}

extern "C" void uring_fs_set_events(struct rocksdb_options_t *opt, const struct uring_fs_events *ev)
{
	auto *o = rep_of<rdb::Options>(opt);

	o->listeners.push_back(std::make_shared<event_listener>(*ev));
	o->info_log = std::make_shared<logger>(*ev);
	o->info_log_level = rdb::WARN_LEVEL;
	o->compaction_filter = new filter(*ev);
}

extern "C" void uring_fs_free_filter(struct rocksdb_options_t *opt)
{
	auto *o = rep_of<rdb::Options>(opt);

	delete o->compaction_filter;
	o->compaction_filter = nullptr;
}

extern "C" void uring_fs_read_async(struct rocksdb_readoptions_t *opt, bool on)
{
	rep_of<rdb::ReadOptions>(opt)->async_io = on;
}

extern "C" int uring_fs_resume(struct rocksdb_t *db, char *err, size_t err_len)
{
	return to_text((*rep_of<rdb::DB *>(db))->Resume(), err, err_len);
}

extern "C" int uring_fs_verify(struct rocksdb_t *db, char *err, size_t err_len)
{
	return to_text((*rep_of<rdb::DB *>(db))->VerifyChecksum(), err, err_len);
}
