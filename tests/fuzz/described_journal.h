// SPDX-License-Identifier: Apache-2.0
//
// Journal directories from a few bytes. The bytes say what is in each file, batch by batch, and in which ways it
// differs from what a journal would have written; where they say nothing it is what a journal would have written, with
// all its checksums. The last of them overwrite single bytes of the files. So mutations stay near to what recovery may
// meet. Thread rule: pure.
#pragma once

#include <map>
#include <string>

#include "common/base/bytes.h"

namespace millrace::fuzz {

// By name. Any input describes a directory; what it does not say is zero.
std::map<std::string, ByteBuffer> described_journal(ByteView input);

}  // namespace millrace::fuzz
