// SPDX-License-Identifier: Apache-2.0
//
// Bytes of messages, written from a page's tables alone: a protobuf encoder of a page that knows nothing of the
// generated code. And the same messages, built by the names of their fields from the generated code. If the two
// do not agree, the page or the code is wrong. Any thread.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "proto/testing/page_tables.h"

namespace millrace::proto::testing {

// Which of several samples: fields of which only one can be set take turns.
using Turn = int;

// The message with every field set, as the page lays it out. `mistake` says what the page lacks.
std::string bytes_by_page(const Page& page, const std::string& message, Turn turn, std::string& mistake);

// The same by the generated code.
std::unique_ptr<google::protobuf::Message> message_by_name(const google::protobuf::Descriptor& type, Turn turn);

// How many turns show every field.
int turns_of(const google::protobuf::Descriptor& type);

}  // namespace millrace::proto::testing
