// SPDX-License-Identifier: Apache-2.0
// RocksDB's memtable made of ours (storage/memtable.h), which holds the records of keys, and of its
// own skip list, which holds the members of collections: those are read in ranges, keys hardly
// ever. Tags put all keys before all members (storage/codec.h), so an iterator walks one and then
// the other.
//
// Which of the two an entry goes to is known when it is complete, but its memory is asked for
// before: it is written into a scratch buffer and copied from there, unless it is large.
//
// The allocator's and the arena's classes are not in the installed headers. What is used of them
// here, a table of virtual functions, is declared below; the version check makes a changed library
// a compile error, and tests/unit/storage/test_memtable.c goes through all of it.
#include "storage/memtable_rep.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include <rocksdb/memtablerep.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/version.h>

namespace rdb = ROCKSDB_NAMESPACE;

static_assert(ROCKSDB_MAJOR == 7 && ROCKSDB_MINOR == 8,
	"compare memory/allocator.h and memory/arena.h before building against another release");

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

namespace
{

constexpr char last_key_tag = 0x10; // CODEC_KEY
constexpr size_t trailer = 8;
constexpr size_t scratch_max = 16384;

bool is_key(const char *user_key, size_t len)
{
	return len == 0 || user_key[0] <= last_key_tag;
}

bool is_key(const rdb::Slice &internal_key)
{
	return is_key(internal_key.data(), internal_key.size() - trailer);
}

// The internal key at the front of an entry.
rdb::Slice key_of(const char *entry)
{
	uint32_t len = 0;
	int shift = 0;

	for (; static_cast<uint8_t>(*entry) & 0x80; shift += 7)
		len |= uint32_t(static_cast<uint8_t>(*entry++) & 0x7f) << shift;
	len |= uint32_t(static_cast<uint8_t>(*entry++)) << shift;
	return {entry, len};
}

// The versions of one key, for point reads.
class point_iter : public rdb::MemTableRep::Iterator
{
      public:
	point_iter(memtable *t, rdb::MemTableRep *list) : members(list)
	{
		memtable_iter_init(&it, t);
	}
	~point_iter() override
	{
		memtable_iter_fini(&it);
	}
	bool Valid() const override
	{
		return other != nullptr ? other->Valid() : memtable_iter_entry(&it) != nullptr;
	}
	const char *key() const override
	{
		return other != nullptr ? other->key() : memtable_iter_entry(&it);
	}
	void Next() override
	{
		if (other != nullptr)
			other->Next();
		else
			memtable_iter_older(&it);
	}
	void Seek(const rdb::Slice &k, const char *entry) override
	{
		if (is_key(k)) {
			other.reset();
			memtable_iter_find(&it, k.data(), k.size());
			return;
		}
		other.reset(members->GetIterator(nullptr));
		other->Seek(k, entry);
	}
	// RocksDB moves this one forward only.
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

      private:
	memtable_iter it;
	rdb::MemTableRep *members;
	std::unique_ptr<rdb::MemTableRep::Iterator> other;
};

// Keys, then members.
class full_iter : public rdb::MemTableRep::Iterator
{
      public:
	full_iter(memtable *t, rdb::MemTableRep::Iterator *m) : members(m)
	{
		memtable_iter_init(&it, t);
	}
	~full_iter() override
	{
		memtable_iter_fini(&it);
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

      private:
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

	memtable_iter it;
	// Not owned where both stand in an arena, which frees without destroying.
	rdb::MemTableRep::Iterator *members;
	bool at_keys = true;

      protected:
	void end_members(bool in_arena)
	{
		if (in_arena)
			members->~Iterator();
		else
			delete members;
	}
};

class heap_iter final : public full_iter
{
      public:
	using full_iter::full_iter;
	~heap_iter() override
	{
		end_members(false);
	}
};

class arena_iter final : public full_iter
{
      public:
	using full_iter::full_iter;
	~arena_iter() override
	{
		end_members(true);
	}
};

void *alloc_aligned(void *ctx, size_t n)
{
	return static_cast<rdb::Allocator *>(ctx)->AllocateAligned(n);
}

// The table that is written to is the one made last; it may be flushed and freed by any thread.
struct newest {
	std::mutex lock;
	memtable *t = nullptr;
};

class rep final : public rdb::MemTableRep
{
      public:
	rep(rdb::Allocator *a, rdb::MemTableRep *list, uint64_t bytes, std::shared_ptr<newest> n)
	    : MemTableRep(a), t(memtable_create(bytes, alloc_aligned, a)), members(list), now(n)
	{
		std::lock_guard<std::mutex> hold(now->lock);

		now->t = t;
	}
	~rep() override
	{
		{
			std::lock_guard<std::mutex> hold(now->lock);

			if (now->t == t)
				now->t = nullptr;
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

		if (!is_key(key_of(entry))) {
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
		rdb::Slice k = key_of(entry);
		point_iter it(t, members.get());

		it.Seek(k, entry);
		return it.Valid() && key_of(it.key()) == k;
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
			return new heap_iter(t, members->GetIterator(nullptr));
		return new (a->AllocateAligned(sizeof(arena_iter)))
			arena_iter(t, members->GetIterator(arena));
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

      private:
	memtable *t;
	std::unique_ptr<rdb::MemTableRep> members;
	std::shared_ptr<newest> now;
	std::vector<char> scratch;
	size_t size = 0;
};

class factory final : public rdb::MemTableRepFactory
{
      public:
	factory(uint64_t n, std::shared_ptr<newest> to) : bytes(n), now(to)
	{
	}
	using rdb::MemTableRepFactory::CreateMemTableRep;
	rdb::MemTableRep *CreateMemTableRep(const rdb::MemTableRep::KeyComparator &cmp,
		rdb::Allocator *a, const rdb::SliceTransform *prefix, rdb::Logger *log) override
	{
		return new rep(a, list.CreateMemTableRep(cmp, a, prefix, log), bytes, now);
	}
	const char *Name() const override
	{
		return "weir";
	}
	bool CanHandleDuplicatedKey() const override
	{
		return true;
	}

      private:
	rdb::SkipListFactory list;
	uint64_t bytes;
	std::shared_ptr<newest> now;
};

} // namespace

struct memtable_rep {
	std::shared_ptr<newest> now = std::make_shared<newest>();
};

// As in db/c.cc; the options stand first.
extern "C" struct memtable_rep *memtable_rep_use(struct rocksdb_options_t *opt, uint64_t bytes)
{
	auto *r = new memtable_rep;

	reinterpret_cast<rdb::Options *>(opt)->memtable_factory =
		std::make_shared<factory>(bytes, r->now);
	return r;
}

extern "C" void memtable_rep_free(struct memtable_rep *r)
{
	delete r;
}

extern "C" void memtable_rep_prefetch(
	struct memtable_rep *r, const struct memtable_key *keys, uint32_t n)
{
	std::lock_guard<std::mutex> hold(r->now->lock);

	if (r->now->t != nullptr)
		memtable_prefetch(r->now->t, keys, n);
}
