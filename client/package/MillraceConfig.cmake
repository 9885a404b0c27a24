# SPDX-License-Identifier: Apache-2.0
#
# find_package(Millrace) makes Millrace::client, which needs nothing else at compile time.
include(${CMAKE_CURRENT_LIST_DIR}/MillraceTargets.cmake)
