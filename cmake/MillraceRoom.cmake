# SPDX-License-Identifier: Apache-2.0
#
# A room is a folder, a namespace and a library. These two functions are all that a room's
# CMakeLists.txt needs.

# The one precompiled header: what nearly every coroutine file includes anyway. Users share it, so
# it must not grow by what only some of them need (spdlog, json, CLI11, gRPC stay out).
add_library(millrace_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
target_link_libraries(millrace_pch PRIVATE millrace_flags Threads::Threads)
target_precompile_headers(millrace_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
set_target_properties(millrace_pch PROPERTIES UNITY_BUILD OFF)
target_compile_options(millrace_pch PRIVATE -fpch-instantiate-templates)

# Each library is also linked, whole, with nothing but what it says it uses, into an empty program: an
# arrow that nobody declared is a link error there. Left out of the sanitizer builds, where it would find the same.
option(MILLRACE_LINK_TESTS "link each room alone" ON)

# millrace_library(<room> SOURCES a.cc b.cc [USES room...] [LIBRARIES external...] [NO_PCH])
# Makes millrace_<room>. USES names rooms (their millrace_ prefix left out) that headers or sources
# include; LIBRARIES names external targets.
function(millrace_library room)
  cmake_parse_arguments(ROOM "NO_PCH" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  set(target millrace_${room})
  add_library(${target} STATIC ${ROOM_SOURCES})
  target_link_libraries(${target} PUBLIC millrace_flags Threads::Threads)
  foreach(used IN LISTS ROOM_USES)
    target_link_libraries(${target} PUBLIC millrace_${used})
  endforeach()
  target_link_libraries(${target} PUBLIC ${ROOM_LIBRARIES})
  if(NOT ROOM_NO_PCH)
    target_compile_options(${target} PRIVATE -fpch-instantiate-templates)
    target_precompile_headers(${target} REUSE_FROM millrace_pch)
  endif()
  if(MILLRACE_LINK_TESTS AND NOT MILLRACE_SANITIZER)
    add_executable(${target}_link_test ${CMAKE_SOURCE_DIR}/cmake/link_test.cc)
    target_link_libraries(${target}_link_test PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${target}>)
    add_test(NAME link.${room} COMMAND ${target}_link_test)
    set_tests_properties(link.${room} PROPERTIES LABELS unit)
  endif()
endfunction()

# millrace_test(<name> SOURCES a_test.cc [USES room...] [LIBRARIES external...] [LABELS unit] [NO_PCH])
# One program of GoogleTest cases; each case is a ctest of its own. LABELS: unit (default), sim,
# conformance, system.
function(millrace_test name)
  cmake_parse_arguments(TEST "NO_PCH" "" "SOURCES;USES;LIBRARIES;LABELS" ${ARGN})
  set(target millrace_${name}_test)
  add_executable(${target} ${TEST_SOURCES})
  target_link_libraries(${target} PRIVATE millrace_flags GTest::gmock GTest::gtest GTest::gtest_main)
  foreach(used IN LISTS TEST_USES)
    target_link_libraries(${target} PRIVATE millrace_${used})
  endforeach()
  target_link_libraries(${target} PRIVATE ${TEST_LIBRARIES})
  if(NOT TEST_NO_PCH)
    target_compile_options(${target} PRIVATE -fpch-instantiate-templates)
    target_precompile_headers(${target} REUSE_FROM millrace_pch)
  endif()
  if(NOT TEST_LABELS)
    set(TEST_LABELS unit)
  endif()
  include(GoogleTest)
  gtest_discover_tests(${target}
    DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT 300
      ENVIRONMENT "TSAN_OPTIONS=ignore_noninstrumented_modules=1 suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp")
endfunction()
