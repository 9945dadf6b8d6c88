/* SPDX-License-Identifier: ISC */
/*
 * The journal: the only storage engine (postrider-journal(5) is its specification). A stream is a directory of segments
 * that hold frames; a frame has a position (a logical octet offset that never changes) and is appended, never changed.
 * One process opens a stream as its exclusive writer (a lock for life), as one of several writers (a lock an append), or as a
 * reader; readers take no lock and share nothing with a writer but the files.
 *
 * Durable means flushed: journal_append gives no promise; what lies below journal_durable() survives a power cut. The
 * caller answers its client after that. One flush serves all that was appended before it began, and runs in a
 * worker thread beside the event loop (journal_flush_begin, _run, _end).
 *
 * Units: positions and sizes in octets. Results: ERR_ codes (base/err.h). Payload kinds belong to the stream's user; kinds
 * from 0xff00 up are the journal's own.
 */
#ifndef POSTRIDER_JOURNAL_JOURNAL_H
#define POSTRIDER_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

struct journal;
struct journal_seam;

/*
 * A compactor reads, compacts and drops, beside an owner or shared writers, and appends nothing: so that an owner can have this done by a thread
 * with a struct journal of its own. The owner calls journal_refresh when it has ended.
 */
enum journal_role { JOURNAL_READER, JOURNAL_COMPACTOR, JOURNAL_SHARED_WRITER, JOURNAL_OWNER };

struct journal_options {
	enum journal_role role;
	uint64_t segment_size; /* a segment that has passed this is sealed and the next one begun; 0: 16 MiB */
	uint32_t frame_max;    /* the largest payload, at most 1 GiB; 0: 64 MiB */
	uint32_t ahead;        /* octets of a step of journal_ahead_begin; 0: none */
	mode_t mode;           /* of new files; 0: 0600 */
	bool create;           /* make the stream when the directory holds none; its own entry is the caller's to flush */
	bool unflushed;        /* with create: what is made is the caller's to flush, before anybody can find the directory */
	bool own;              /* others may write the directory: only this process' own files are read or written */
	const struct journal_seam *seam; /* for tests (journal/seam.h); NULL in service */
};

/*
 * Opens the stream in the directory dirfd (kept as a copy). Recovers: finds the last valid frame of the head, and (for
 * writers) rolls when the tail is torn. ERR_BUSY: another owner lives. ERR_NOT_FOUND: no stream and not create. ERR_DENIED: somebody
 * else's file stands among them (own). ERR_LIMIT: there are more names than a stream can have.
 */
MUST_CHECK int journal_open(int dirfd, const struct journal_options *o, struct journal **out);
/* Closes without flushing. */
void journal_close(struct journal *j);

uint64_t journal_start(const struct journal *j);   /* the lowest position that may still be read */
uint64_t journal_end(const struct journal *j);     /* where the next frame will stand, as far as this process knows */
uint64_t journal_durable(const struct journal *j); /* all below is on stable storage, as far as this process knows */

/* A frame to append: its payload is the parts one after the other. */
#define JOURNAL_PARTS 4
struct journal_frame {
	uint16_t kind;
	struct view parts[JOURNAL_PARTS];
	uint64_t position; /* given back */
};
/*
 * Appends the frames, all or none, in one system call where it can be (a crash may keep the first few of them: what must
 * stay together is one frame). ERR_CONFLICT when the stream's end is not expected_end any more (shared writers:
 * journal_refresh, catch up, try again). ERR_FULL, ERR_IO: nothing was appended and the stream has rolled, or will at the next
 * append (where several write, or the process ends first, and not even the roll could be written, the first of several frames
 * may turn up all the same, as after a crash). An append that rolls puts its frames above journal_end(): the positions given
 * back are what counts.
 */
MUST_CHECK int journal_append(struct journal *j, uint64_t expected_end, struct journal_frame *frames, size_t n);

/* A flush in three steps. begin and end run in the loop; run may be in any thread and touches nothing of the journal. */
struct journal_flush;
/* NULL when all is durable already. */
struct journal_flush *journal_flush_begin(struct journal *j);
void journal_flush_run(struct journal_flush *f);
/* In place of run: the caller flushed by other means (one syncfs for many streams) after begin, with this result. */
void journal_flush_ran(struct journal_flush *f, int result);
/*
 * Frees f. On success journal_durable() moves to what was the end at begin. On failure (ERR_IO, ERR_FULL) the stream rolls:
 * frames that this life of the stream appended and that are not durable are gone (their positions are never used again) and
 * journal_end() tells the new end; *lost_from and *lost_to (may be NULL) get the range, empty when nothing was lost or when it was told
 * already. Frames found at opening are kept, and written once more by the next flush. Shared writers also get ERR_IO, with
 * the range, when another writer's failed flush cut their frames away; whether others' frames that it read are still there, a writer sees for itself: by
 * journal_read, when journal_end() has moved. j may be closed (NULL) meanwhile.
 */
MUST_CHECK int journal_flush_end(struct journal *j, struct journal_flush *f, uint64_t *lost_from, uint64_t *lost_to);
/* All three at once, blocking: for tools and tests. */
MUST_CHECK int journal_flush(struct journal *j);
/*
 * For an owner whose readers go by journal_settled: a flush, or the opening, may have succeeded, and its mark not been written. Writes it then; ERR_OK when
 * all that is durable is published. Before it is after the opening, nothing may be appended; before it is after a flush, nobody told.
 */
MUST_CHECK int journal_publish(struct journal *j);

/*
 * Makes later flushes cheaper, beside appends and flushes, in three steps as they are: zeros are written some way ahead of the end, so that a
 * small flush finds its place written before and has no metadata to take along. For owners, with `ahead` in the options; begun again and again,
 * after each flush was begun. NULL when nothing is to be done: enough is ready, flushes are big, or the store gains nothing by it.
 */
struct journal_ahead;
struct journal_ahead *journal_ahead_begin(struct journal *j);
void journal_ahead_run(struct journal_ahead *a);
/* Frees a. j may be closed (NULL) meanwhile. */
void journal_ahead_end(struct journal *j, struct journal_ahead *a);
/*
 * For a reader of a stream whose owners publish (journal_publish): what lies below this, as of the last refresh, is on stable storage, and stays. It is the
 * published mark where an owner has put it since the machine was started. Otherwise nothing was appended since, and it is the end: what a reader could
 * read after the start came from there. (What somebody copied here without a mark is taken as it is.) Where there is a mark, but no owner now, what
 * stands above it is flushed, let go, and read from the disk again, which blocks; the end may be a lower one then.
 */
uint64_t journal_settled(struct journal *j);

/* Looks again at what others appended, rolled, compacted or dropped (for an owner: the last two). ERR_OK also when nothing changed. */
MUST_CHECK int journal_refresh(struct journal *j);

/* A frame that was read. The payload is valid until the next call on the journal. */
struct journal_record {
	uint64_t position;
	uint64_t next; /* the position behind it */
	uint16_t kind;
	struct view payload;
};
/*
 * Calls fn for each frame from position `from` (or the first one behind it, where that was compacted away) up to the known
 * end, in order; the journal's own kinds are left out. `from` is 0, or a position or `next` or end once given. Stops when fn gives not 0 and
 * gives that back; *next is where to go on (behind the frame that fn stopped at). Damage is skipped and told through
 * journal_on_damage. fn may append, and ask for positions; it may not read, refresh, compact or drop on the same journal.
 */
MUST_CHECK int journal_scan(struct journal *j, uint64_t from, int (*fn)(void *arg, const struct journal_record *r), void *arg,
	uint64_t *next);
/*
 * Where to begin a scan that shall see the stream's end and little else: the start of the segment that holds the octet `octets` before
 * journal_end() (journal_start() when there is less). 0 gives the head's start.
 */
uint64_t journal_tail(const struct journal *j, uint64_t octets);
/* The frame at exactly this position, checked. ERR_NOT_FOUND, ERR_DAMAGED. */
MUST_CHECK int journal_read(struct journal *j, uint64_t position, struct journal_record *r);
/* Whether that frame can be read and is as it was written. In little memory, whatever its length. ERR_NOT_FOUND, ERR_DAMAGED. */
MUST_CHECK int journal_check(struct journal *j, uint64_t position);
/* n octets of that frame's payload from offset on, for streaming big contents: not checked against the frame's sum (journal_check before). */
MUST_CHECK int journal_read_part(struct journal *j, uint64_t position, uint64_t offset, void *p, size_t n);
/* Called for damaged ranges that were skipped. */
void journal_on_damage(struct journal *j, void (*fn)(void *arg, uint64_t from, uint64_t to), void *arg);

/*
 * Compaction: sealed, durable segments are replaced by files with the survivors at their old positions. live says whether the
 * frame stays (it may not call on the journal). Does at most about `budget` octets of work a call (0: all) and says in *more whether some is left. Never
 * touches the head (journal_roll first, to have all that is durable compacted). Blocks: a call reads and writes, and flushes once or twice. ERR_BUSY: another
 * process compacts this stream, or copies it: try again later.
 */
typedef bool journal_live_fn(void *arg, const struct journal_record *r);
MUST_CHECK int journal_compact(struct journal *j, journal_live_fn *live, void *arg, uint64_t budget, bool *more);
/* Removes sealed segments that lie wholly below position. A reader may, where it may change the directory. */
MUST_CHECK int journal_drop(struct journal *j, uint64_t position);
/*
 * The same, but the files for whose positions damaged says so go, by hard links or as copies, into the directory aside first; *n counts them. What it
 * says is also asked for files whose head cannot be read.
 */
typedef bool journal_damaged_fn(void *arg, uint64_t from, uint64_t to);
MUST_CHECK int journal_drop_aside(struct journal *j, uint64_t position, int aside, journal_damaged_fn *damaged, void *arg, uint64_t *n);
/* Only copies them, and drops nothing: for a stream that others have open. */
MUST_CHECK int journal_copy_aside(struct journal *j, int aside, journal_damaged_fn *damaged, void *arg, uint64_t *n);
/* For a shared writer: no other may open the stream from now until this one is closed. ERR_BUSY: another has it open. */
MUST_CHECK int journal_alone(struct journal *j);
/* Seals the head and begins a new segment. */
MUST_CHECK int journal_roll(struct journal *j);

/*
 * Copies the stream of one directory into another, empty one, beside its writers: what was durable when the call began is in the copy, and opening that is
 * recovery as after a power cut. Sealed files are shared (hard links) where the file systems let, so never write into a copy that
 * shares. Compaction waits meanwhile (journal_compact gives ERR_BUSY), and is waited for, up to a minute; nothing is flushed. Blocks. ERR_BUSY: a
 * compaction took longer, or each time a file was dropped before it could be taken.
 */
MUST_CHECK int journal_copy(int from, int to, bool share);

/* What journal_info tells, for tools. */
struct journal_info {
	uint64_t start, end, durable, octets; /* octets on disk */
	unsigned segments;
};
void journal_info(const struct journal *j, struct journal_info *info);
/* For people who must look inside: a line for each file and each frame (position, kind, size, sum, mark), the damaged ones marked. */
MUST_CHECK int journal_dump(struct journal *j, uint64_t from, void (*line)(void *arg, struct view text), void *arg);

#endif
