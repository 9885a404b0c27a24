# SPDX-License-Identifier: Apache-2.0
#
# The compiler and its flags, for every target of the tree.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "Millrace needs clang 19 (Debian 12: apt-get install clang-19; scripts/install-build.sh does it) "
    "but found ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}. "
    "GCC 12.2 miscompiles ordinary co_await expressions, and clang 16 breaks with Boost 1.81's awaitables. "
    "Configure with a preset (cmake --preset release) or -DCMAKE_CXX_COMPILER=clang++-19.")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

set(MILLRACE_SANITIZER "" CACHE STRING "address (with undefined behaviour), thread, or empty")
option(MILLRACE_UNITY "compile sources in small batches: a much faster clean build" ON)
set(CMAKE_UNITY_BUILD ${MILLRACE_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 4)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")

# Everything that all our targets share. A room never adds flags of its own, so that one
# precompiled header fits all.
add_library(millrace_flags INTERFACE)
target_compile_options(millrace_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror
  -Wthread-safety -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wno-gnu-zero-variadic-macro-arguments
  -fno-omit-frame-pointer
  # Rooms are linked into the executable and into the client's shared library, from one set of objects and one
  # precompiled header. In the executable the linker turns the indirections back.
  -fPIC)
target_include_directories(millrace_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_link_options(millrace_flags INTERFACE -fuse-ld=mold)

if(MILLRACE_SANITIZER STREQUAL "address")
  target_compile_options(millrace_flags INTERFACE -O1 -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(millrace_flags INTERFACE -fsanitize=address,undefined)
elseif(MILLRACE_SANITIZER STREQUAL "thread")
  target_compile_options(millrace_flags INTERFACE -O1 -fsanitize=thread)
  target_link_options(millrace_flags INTERFACE -fsanitize=thread)
elseif(NOT MILLRACE_SANITIZER STREQUAL "")
  message(FATAL_ERROR "MILLRACE_SANITIZER is '${MILLRACE_SANITIZER}'; it can be address, thread or empty.")
endif()

find_program(MILLRACE_CCACHE ccache)
if(MILLRACE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${MILLRACE_CCACHE})
  # Time stamps inside a precompiled header would make every build look new to ccache.
  target_compile_options(millrace_flags INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()
