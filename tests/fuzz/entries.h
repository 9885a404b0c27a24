// SPDX-License-Identifier: Apache-2.0
//
// What hostile bytes are thrown at. Each entry takes one input and stops the process (a check, or a
// sanitizer) if something is wrong; it never fails otherwise. fuzzer_main.cc makes each of them a
// libFuzzer program, corpus_test.cc and disk_corpus_test.cc replay the corpus through them.
// Thread rule: one thread; no state is kept between inputs.
#pragma once

#include "common/base/bytes.h"

namespace millrace::fuzz {

// From a peer:

// Frames, one after the other, as a peer would send them: through the decoder, and back.
void frames(ByteView input);
// The frames of one connection that has to do with appends, through the assembler.
void appends(ByteView input);
// The bytes of a segment through the event splitter, whole and in pieces.
void events(ByteView input);

// A request to the controller: which call, and its message.
void controller_requests(ByteView input);

// From a disk. Most of it has checksums, which no mutation meets by chance: each entry takes its input as it is, and once
// more with the checksums (and the lengths that they cover) made to fit. What is accepted is encoded and decoded again.

// Headers, batches and record bodies of journal files.
void journal_records(ByteView input);
// A journal directory, described rather than given (its files are blocks of mostly zeros): recovery, opening, what is
// then read, and the same again after another start.
void journal_directory(ByteView input);
// One operation of a container.
void container_operation(ByteView input);
// Entries of a container's log, and a stream of operations cut into entries.
void container_entries(ByteView input);
// An object of long-term storage, its footer and all its extents, or its snapshot.
void object(ByteView input);
// A snapshot's body, its end, and the anchor that names it.
void snapshot(ByteView input);
// What says whose a directory is: the store's format, the storage's mark; names of objects and journal files.
void marks(ByteView input);
// Rows of the embedded metadata store, each by itself, and a store that consists of them.
void metadata_rows(ByteView input);
// Records of the controller: a stream's, and its history.
void controller_records(ByteView input);

}  // namespace millrace::fuzz
