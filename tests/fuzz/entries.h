// SPDX-License-Identifier: Apache-2.0
//
// What hostile bytes are thrown at. Each entry takes one input and stops the process (a check, or a
// sanitizer) if something is wrong; it never fails otherwise. fuzzer_main.cc makes each of them a
// libFuzzer program, corpus_test.cc replays the corpus through them.
// Thread rule: one thread; no state is kept between inputs.
#pragma once

#include "common/base/bytes.h"

namespace millrace::fuzz {

// Frames, one after the other, as a peer would send them: through the decoder, and back.
void frames(ByteView input);
// The frames of one connection that has to do with appends, through the assembler.
void appends(ByteView input);
// The bytes of a segment through the event splitter, whole and in pieces.
void events(ByteView input);

}  // namespace millrace::fuzz
