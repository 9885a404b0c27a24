# SPDX-License-Identifier: Apache-2.0
#
# Run with each build: cmake -DSOURCE=... -DOUTPUT=... -P MillraceCommit.cmake writes the commit that is built into a header, when
# it is another one than before. Empty without git, and outside of a clone.
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude *
  WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "")
endif()
set(text "// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace millrace::cli {

inline constexpr const char* kCommit = \"${commit}\";

}  // namespace millrace::cli
")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT text STREQUAL before)
  file(WRITE ${OUTPUT} "${text}")
endif()
