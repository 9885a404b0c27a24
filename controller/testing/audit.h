// SPDX-License-Identifier: Apache-2.0
//
// What must hold of metadata and segments whenever nothing is going on: every intent is over, every stream has exactly the
// segments that its history and its head say, every reader group has its stream, the list of
// streams with retention has those that have a policy, and nothing else is anywhere. For tests.
#pragma once

#include <string>
#include <vector>

namespace millrace::controller {

class Cluster;

// In sentences; empty: all is well.
std::vector<std::string> audit(const Cluster& cluster);

}  // namespace millrace::controller
