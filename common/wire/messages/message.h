// SPDX-License-Identifier: Apache-2.0
//
// What the message structs share. Each says its layout once: walk(v, m) shows the fields of `m` to
// the visitor `v` in wire order, and measuring, writing, reading, printing and inventing messages
// are visitors. A visitor has
//   v(name, field)          integers, bool, ids, strings; Bytes with their length in front
//   v.token(name, string)   a string that is never printed
//   v.rest(name, Bytes)     all bytes up to the end of the frame
//   v.zeros(name, length)   as many zero bytes, up to the end of the frame
//   v.event(name, Bytes)    one event with its header of 8 bytes
//   v.list(name, vector[, most])   a count, then the elements: integers, strings, or structs with
//                           walk() and kLeastBytes, the least bytes that one takes in a frame
//   v.table_key(key, version), v.table_value(value), v.unused_blob()
//   v.since(n)              whether fields that peers older than wire version n leave out are there
// Writers write every field. Readers leave a field that is not there as it is: the struct's default.
// Thread rule: messages are values.
#pragma once

#include <cstdint>

#include "common/wire/frame.h"

namespace millrace::wire {

// Opaque to the server, echoed bit for bit; not unique per request.
using RequestId = std::int64_t;

}  // namespace millrace::wire
