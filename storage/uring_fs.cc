// SPDX-License-Identifier: Apache-2.0
// What rocksdb/c.h has no constructor for, each an adapter between a class of RocksDB and C:
// - the file system. Debian's librocksdb is built without io_uring, so its MultiRead is a loop of
//   preads. Here the requests of one MultiRead go to the kernel together (storage/uring_io.c),
//   which is where a device's parallelism is; everything else is left to RocksDB's own POSIX file
//   system, because it was measured to be as good (single reads) or better (logs: a buffered write
//   with fsync is punted to a kernel thread);
// - the environment made of it, the logger, the listener and the filter;
// - the memtable (storage/memtable.c).
//
// What the installed headers lack is mirrored below: the handle types of c.h, and the allocator's
// table of virtual functions. The version check makes a changed library a compile error.
#include "storage/uring_fs.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/memtablerep.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/version.h>

#include "storage/memtable.h"
#include "storage/uring_io.h"

namespace rdb = ROCKSDB_NAMESPACE;

static_assert(ROCKSDB_MAJOR == 7 && ROCKSDB_MINOR == 8,
	"compare db/c.cc and memory/{allocator,arena}.h before building against another release");

struct rocksdb_env_t {
	rdb::Env *rep;
	bool is_default;
};

namespace ROCKSDB_NAMESPACE
{

// memory/allocator.h. Arena has it as its first and only base.
class Allocator
{
      public:
	virtual ~Allocator() = default;
	virtual char *Allocate(size_t bytes) = 0;
	virtual char *AllocateAligned(
		size_t bytes, size_t huge_page_size = 0, Logger *logger = nullptr) = 0;
	virtual size_t BlockSize() const = 0;
};

} // namespace ROCKSDB_NAMESPACE

// The table that is written to is the one made last; it may be flushed and freed by any thread.
struct uring_fs_memtables {
	std::mutex lock;
	memtable *newest = nullptr;
};

namespace
{

rdb::IOStatus io_error(const std::string &what, int err)
{
	if (err == ENOSPC)
		return rdb::IOStatus::NoSpace(what, strerror(err));
	return rdb::IOStatus::IOError(what, strerror(err));
}

struct table_file : rdb::FSRandomAccessFileOwnerWrapper {
	uring_io_file f;
	std::string name;

	table_file(std::unique_ptr<rdb::FSRandomAccessFile> &&base, const uring_io_file &file,
		const std::string &n)
	    : FSRandomAccessFileOwnerWrapper(std::move(base)), f(file), name(n)
	{
	}

	~table_file() override
	{
		uring_io_close(&f);
	}

	rdb::IOStatus Read(uint64_t off, size_t n, const rdb::IOOptions &opt, rdb::Slice *result,
		char *scratch, rdb::IODebugContext *dbg) const override
	{
		int err = uring_io_on_read(f.io);
		rdb::IOStatus st = err != 0 ? io_error(name, err)
					    : target()->Read(off, n, opt, result, scratch, dbg);

		if (!st.ok())
			uring_io_read_failed(f.io);
		return st;
	}

	static uring_io_req req_of(const rdb::FSReadRequest &q)
	{
		return {q.offset, q.len, q.scratch, 0, 0};
	}

	void answer(rdb::FSReadRequest &q, const uring_io_req &r) const
	{
		q.result = rdb::Slice(q.scratch, r.got);
		q.status = r.err == 0 ? rdb::IOStatus::OK() : io_error(name, r.err);
	}

	rdb::IOStatus MultiRead(rdb::FSReadRequest *reqs, size_t n, const rdb::IOOptions &opt,
		rdb::IODebugContext *dbg) override
	{
		uring_io_req r[URING_FS_DEPTH];

		if (n == 1) {
			reqs->status = Read(
				reqs->offset, reqs->len, opt, &reqs->result, reqs->scratch, dbg);
			return rdb::IOStatus::OK();
		}
		for (size_t k; n > 0; reqs += k, n -= k) {
			k = n < URING_FS_DEPTH ? n : URING_FS_DEPTH;
			for (size_t i = 0; i < k; i++)
				r[i] = req_of(reqs[i]);
			uring_io_read_many(&f, r, k);
			for (size_t i = 0; i < k; i++)
				answer(reqs[i], r[i]);
		}
		return rdb::IOStatus::OK();
	}

	rdb::IOStatus ReadAsync(rdb::FSReadRequest &req, const rdb::IOOptions &opt,
		std::function<void(const rdb::FSReadRequest &, void *)> cb, void *cb_arg,
		void **handle, rdb::IOHandleDeleter *del, rdb::IODebugContext *dbg) override;
};

// A read-ahead: the handle RocksDB keeps between ReadAsync and Poll.
struct async_read : uring_io_ahead {
	const table_file *of;
	std::function<void(const rdb::FSReadRequest &, void *)> cb;
	void *cb_arg;

	static void answer(uring_io_ahead *ahead)
	{
		auto *a = static_cast<async_read *>(ahead);
		rdb::FSReadRequest q;

		q.offset = a->req.off;
		q.len = a->req.len;
		q.scratch = a->req.buf;
		if (a->aborted)
			q.status = rdb::IOStatus::Aborted();
		else
			a->of->answer(q, a->req);
		a->cb(q, a->cb_arg);
	}

	// We never move an iterator to another thread, so its read-aheads are this thread's.
	rdb::IOStatus await()
	{
		if (uring_io_await(this) != 0)
			return rdb::IOStatus::NotSupported("a read-ahead of another thread");
		return rdb::IOStatus::OK();
	}
};

rdb::IOStatus table_file::ReadAsync(rdb::FSReadRequest &req, const rdb::IOOptions &opt,
	std::function<void(const rdb::FSReadRequest &, void *)> cb, void *cb_arg, void **handle,
	rdb::IOHandleDeleter *del, rdb::IODebugContext *dbg)
{
	auto a = std::make_unique<async_read>();

	a->file = f;
	a->req = req_of(req);
	a->done = async_read::answer;
	a->of = this;
	a->cb = std::move(cb);
	a->cb_arg = cb_arg;
	if (!uring_io_start(a.get())) {
		req.status = Read(req.offset, req.len, opt, &req.result, req.scratch, dbg);
		a->cb(req, cb_arg);
		return rdb::IOStatus::OK();
	}
	*handle = a.release();
	*del = [](void *p) { delete static_cast<async_read *>(p); };
	return rdb::IOStatus::OK();
}

struct writable_file : rdb::FSWritableFileOwnerWrapper {
	using base = rdb::FSWritableFileOwnerWrapper;
	uring_io *io;
	std::string name;
	uring_io_kind kind;

	writable_file(
		std::unique_ptr<rdb::FSWritableFile> &&file, uring_io *i, const std::string &n)
	    : base(std::move(file)), io(i), name(n), kind(uring_io_kind_of(n.c_str()))
	{
	}

	template <class F> rdb::IOStatus unless(int err, F &&act)
	{
		rdb::IOStatus st = err != 0 ? io_error(name, err) : act();

		if (!st.ok())
			uring_io_write_failed(io);
		return st;
	}

	rdb::IOStatus Append(
		const rdb::Slice &d, const rdb::IOOptions &o, rdb::IODebugContext *dbg) override
	{
		return unless(uring_io_on_write(io, kind, d.size()),
			[&] { return base::Append(d, o, dbg); });
	}

	rdb::IOStatus Append(const rdb::Slice &d, const rdb::IOOptions &o,
		const rdb::DataVerificationInfo &v, rdb::IODebugContext *dbg) override
	{
		return unless(uring_io_on_write(io, kind, d.size()),
			[&] { return base::Append(d, o, v, dbg); });
	}

	rdb::IOStatus PositionedAppend(const rdb::Slice &d, uint64_t off, const rdb::IOOptions &o,
		rdb::IODebugContext *dbg) override
	{
		return unless(uring_io_on_write(io, kind, d.size()),
			[&] { return base::PositionedAppend(d, off, o, dbg); });
	}

	rdb::IOStatus PositionedAppend(const rdb::Slice &d, uint64_t off, const rdb::IOOptions &o,
		const rdb::DataVerificationInfo &v, rdb::IODebugContext *dbg) override
	{
		return unless(uring_io_on_write(io, kind, d.size()),
			[&] { return base::PositionedAppend(d, off, o, v, dbg); });
	}

	rdb::IOStatus Sync(const rdb::IOOptions &o, rdb::IODebugContext *dbg) override
	{
		return unless(uring_io_on_sync(io, kind), [&] { return base::Sync(o, dbg); });
	}

	rdb::IOStatus Fsync(const rdb::IOOptions &o, rdb::IODebugContext *dbg) override
	{
		return unless(uring_io_on_sync(io, kind), [&] { return base::Fsync(o, dbg); });
	}
};

struct file_system : rdb::FileSystemWrapper {
	uring_io *io;

	explicit file_system(uring_io *i) : FileSystemWrapper(rdb::FileSystem::Default()), io(i)
	{
	}

	~file_system() override
	{
		uring_io_destroy(io);
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
		uring_io_file f;
		int rc;

		if (!st.ok() || uring_io_kind_of(name.c_str()) != URING_IO_DATA ||
			opt.use_mmap_reads) {
			*out = std::move(base);
			return st;
		}
		rc = uring_io_open(io, name.c_str(), opt.use_direct_reads, &f);
		if (rc != 0)
			return io_error(name, -rc);
		out->reset(new table_file(std::move(base), f, name));
		return st;
	}

	rdb::IOStatus wrap(rdb::IOStatus st, const std::string &name,
		std::unique_ptr<rdb::FSWritableFile> &base,
		std::unique_ptr<rdb::FSWritableFile> *out)
	{
		if (st.ok())
			out->reset(new writable_file(std::move(base), io, name));
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

	static rdb::IOStatus await_all(const std::vector<void *> &handles, bool abort)
	{
		rdb::IOStatus st;

		for (size_t i = 0; i < handles.size() && st.ok(); i++) {
			auto *a = static_cast<async_read *>(handles[i]);

			a->aborted = abort;
			st = a->await();
		}
		return st;
	}

	rdb::IOStatus Poll(std::vector<void *> &handles, size_t) override
	{
		return await_all(handles, false);
	}

	// UF2: RocksDB frees the buffers after this, so the reads are awaited; a device answers
	// sooner than a cancellation would. The callback runs all the same, against what
	// file_system.h says: it frees what RocksDB has allocated for the read.
	rdb::IOStatus AbortIO(std::vector<void *> &handles) override
	{
		return await_all(handles, true);
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

// ---- the memtable ----
//
// RocksDB's memtable made of ours, which holds the records of keys, and of its own skip list, which
// holds the members of collections: those are read in ranges, keys hardly ever. Tags put all keys
// before all members (storage/codec.h), so an iterator walks one and then the other.
//
// Which of the two an entry goes to is known when it is complete, but its memory is asked for
// before: it is written into a scratch buffer and copied from there, unless it is large.

constexpr size_t trailer = 8;
constexpr size_t scratch_max = 16384;

bool is_key(const rdb::Slice &internal_key)
{
	return internal_key.size() == trailer || uint8_t(internal_key[0]) <= URING_FS_LAST_HASHED;
}

// Keys, then members.
struct full_iter : rdb::MemTableRep::Iterator {
	memtable_iter it;
	rdb::MemTableRep::Iterator *members;
	bool in_arena; // both stand in one, which frees without destroying
	bool at_keys = true;

	full_iter(memtable *t, rdb::MemTableRep::Iterator *m, bool arena)
	    : members(m), in_arena(arena)
	{
		memtable_iter_init(&it, t);
	}

	~full_iter() override
	{
		memtable_iter_fini(&it);
		if (in_arena)
			members->~Iterator();
		else
			delete members;
	}

	bool Valid() const override
	{
		return at_keys ? memtable_iter_entry(&it) != nullptr : members->Valid();
	}

	const char *key() const override
	{
		return at_keys ? memtable_iter_entry(&it) : members->key();
	}

	void Next() override
	{
		if (!at_keys) {
			members->Next();
			return;
		}
		memtable_iter_next(&it);
		leave_keys();
	}

	void Prev() override
	{
		if (at_keys) {
			memtable_iter_prev(&it);
			return;
		}
		members->Prev();
		leave_members();
	}

	void Seek(const rdb::Slice &k, const char *entry) override
	{
		at_keys = is_key(k);
		if (!at_keys) {
			members->Seek(k, entry);
			return;
		}
		memtable_iter_seek(&it, k.data(), k.size());
		leave_keys();
	}

	void SeekForPrev(const rdb::Slice &k, const char *entry) override
	{
		at_keys = is_key(k);
		if (at_keys) {
			memtable_iter_seek_prev(&it, k.data(), k.size());
			return;
		}
		members->SeekForPrev(k, entry);
		leave_members();
	}

	void SeekToFirst() override
	{
		at_keys = true;
		memtable_iter_first(&it);
		leave_keys();
	}

	void SeekToLast() override
	{
		at_keys = false;
		members->SeekToLast();
		leave_members();
	}

	void leave_keys()
	{
		if (memtable_iter_entry(&it) != nullptr)
			return;
		at_keys = false;
		members->SeekToFirst();
	}

	void leave_members()
	{
		if (members->Valid())
			return;
		at_keys = true;
		memtable_iter_last(&it);
	}
};

// The versions of one key, for point reads: RocksDB seeks with this one and moves it forward, no
// more. Most are of keys, so the other half is made when it is needed, and any other move ends the
// process.
struct point_iter final : full_iter {
	rdb::MemTableRep *list;

	point_iter(memtable *t, rdb::MemTableRep *l) : full_iter(t, nullptr, false), list(l)
	{
	}

	void Prev() override
	{
		std::abort();
	}

	void SeekForPrev(const rdb::Slice &, const char *) override
	{
		std::abort();
	}

	void SeekToFirst() override
	{
		std::abort();
	}

	void SeekToLast() override
	{
		std::abort();
	}

	void Next() override
	{
		if (at_keys)
			memtable_iter_older(&it);
		else
			members->Next();
	}

	void Seek(const rdb::Slice &k, const char *entry) override
	{
		at_keys = is_key(k);
		if (at_keys) {
			memtable_iter_find(&it, k.data(), k.size());
			return;
		}
		delete members;
		members = list->GetIterator(nullptr);
		members->Seek(k, entry);
	}
};

void *alloc_aligned(void *ctx, size_t n)
{
	return static_cast<rdb::Allocator *>(ctx)->AllocateAligned(n);
}

struct memtable_rep final : rdb::MemTableRep {
	memtable *t;
	std::unique_ptr<rdb::MemTableRep> members;
	uring_fs_memtables *now;
	std::vector<char> scratch;
	size_t size = 0;

	memtable_rep(
		rdb::Allocator *a, rdb::MemTableRep *list, uint64_t bytes, uring_fs_memtables *n)
	    : MemTableRep(a), t(memtable_create(bytes, alloc_aligned, a)), members(list), now(n)
	{
		std::lock_guard<std::mutex> hold(now->lock);

		now->newest = t;
	}

	~memtable_rep() override
	{
		{
			std::lock_guard<std::mutex> hold(now->lock);

			if (now->newest == t)
				now->newest = nullptr;
		}
		memtable_destroy(t);
	}

	// The handle is where the entry stands for now.
	rdb::KeyHandle Allocate(size_t len, char **buf) override
	{
		size = len;
		if (len > scratch_max) {
			*buf = allocator_->AllocateAligned(MEMTABLE_HEAD + len) + MEMTABLE_HEAD;
			return *buf;
		}
		if (scratch.size() < len)
			scratch.resize(scratch_max);
		*buf = scratch.data();
		return *buf;
	}

	bool InsertKey(rdb::KeyHandle handle) override
	{
		auto *entry = static_cast<char *>(handle);
		char *p;

		if (!is_key(rdb::GetLengthPrefixedSlice(entry))) {
			rdb::KeyHandle h = members->Allocate(size, &p);

			memcpy(p, entry, size);
			return members->InsertKey(h);
		}
		if (size > scratch_max)
			return memtable_add(t, entry - MEMTABLE_HEAD);
		p = allocator_->AllocateAligned(MEMTABLE_HEAD + size);
		memcpy(p + MEMTABLE_HEAD, entry, size);
		return memtable_add(t, p);
	}

	void Insert(rdb::KeyHandle handle) override
	{
		(void)InsertKey(handle);
	}

	bool Contains(const char *entry) const override
	{
		rdb::Slice k = rdb::GetLengthPrefixedSlice(entry);
		point_iter it(t, members.get());

		it.Seek(k, entry);
		return it.Valid() && rdb::GetLengthPrefixedSlice(it.key()) == k;
	}

	size_t ApproximateMemoryUsage() override
	{
		return memtable_bytes(t) + members->ApproximateMemoryUsage();
	}

	uint64_t ApproximateNumEntries(const rdb::Slice &from, const rdb::Slice &to) override
	{
		return members->ApproximateNumEntries(from, to);
	}

	void MarkReadOnly() override
	{
		members->MarkReadOnly();
	}

	void MarkFlushed() override
	{
		members->MarkFlushed();
	}

	Iterator *GetIterator(rdb::Arena *arena) override
	{
		auto *a = reinterpret_cast<rdb::Allocator *>(arena);

		if (a == nullptr)
			return new full_iter(t, members->GetIterator(nullptr), false);
		return new (a->AllocateAligned(sizeof(full_iter)))
			full_iter(t, members->GetIterator(arena), true);
	}

	// There is no prefix extractor, so only MemTableRep::Get() asks for this one.
	Iterator *GetDynamicPrefixIterator(rdb::Arena *arena) override
	{
		// Get() never frees what it asked for: it stays with the thread.
		static thread_local std::optional<point_iter> last;

		if (arena != nullptr)
			return GetIterator(arena);
		last.emplace(t, members.get());
		return &*last;
	}
};

struct memtable_factory final : rdb::MemTableRepFactory {
	rdb::SkipListFactory list;
	uint64_t bytes;
	uring_fs_memtables *now;

	memtable_factory(uint64_t n, uring_fs_memtables *to) : bytes(n), now(to)
	{
	}

	using rdb::MemTableRepFactory::CreateMemTableRep;
	rdb::MemTableRep *CreateMemTableRep(const rdb::MemTableRep::KeyComparator &cmp,
		rdb::Allocator *a, const rdb::SliceTransform *prefix, rdb::Logger *log) override
	{
		return new memtable_rep(a, list.CreateMemTableRep(cmp, a, prefix, log), bytes, now);
	}

	const char *Name() const override
	{
		return "weir";
	}

	bool CanHandleDuplicatedKey() const override
	{
		return true;
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
	uring_io *io = uring_io_create(use_uring);
	auto *f = new (std::nothrow) uring_fs;

	if (f == nullptr || io == nullptr) {
		uring_io_destroy(io);
		delete f;
		return nullptr;
	}
	f->fs = std::make_shared<file_system>(io);
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
	uring_io_get_counts(fs->fs->io, out);
}

extern "C" void uring_fs_inject(
	struct uring_fs *fs, enum uring_fs_fault kind, uint32_t skip, uint32_t times, int err)
{
	uring_io_inject(fs->fs->io, kind, skip, times, err);
}

extern "C" int uring_fs_self_check(struct uring_fs *fs, const char *dir)
{
	return uring_io_self_check(fs->fs->io, dir);
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

extern "C" struct uring_fs_memtables *uring_fs_memtables_use(
	struct rocksdb_options_t *opt, uint64_t bytes)
{
	auto *m = new uring_fs_memtables;

	rep_of<rdb::Options>(opt)->memtable_factory = std::make_shared<memtable_factory>(bytes, m);
	return m;
}

extern "C" void uring_fs_memtables_free(struct uring_fs_memtables *m)
{
	delete m;
}

extern "C" void uring_fs_memtables_prefetch(
	struct uring_fs_memtables *m, const struct memtable_key *keys, uint32_t n)
{
	std::lock_guard<std::mutex> hold(m->lock);

	if (m->newest != nullptr)
		memtable_prefetch(m->newest, keys, n);
}
