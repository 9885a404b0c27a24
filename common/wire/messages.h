// SPDX-License-Identifier: Apache-2.0
//
// The messages of the data port as values (docs/protocol/wire.md, with the meaning of each), and the
// way between them and frames. Encoders always write the newest layout; decoders take a missing
// trailing field marked "since N" as its default and ignore extra trailing bytes. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/wire/frame.h"
#include "common/wire/messages/admin.h"
#include "common/wire/messages/appends.h"
#include "common/wire/messages/attributes.h"
#include "common/wire/messages/connection.h"
#include "common/wire/messages/errors.h"
#include "common/wire/messages/merges.h"
#include "common/wire/messages/reads.h"
#include "common/wire/messages/segments.h"
#include "common/wire/messages/tables.h"

namespace millrace::wire {

namespace detail {
// The table of frames as a list of types, with one in front so that each can bring its own comma.
template <class, class... Messages>
struct VariantOf {
    using Type = std::variant<Messages...>;
};
template <class T, class Variant>
inline constexpr bool is_alternative = false;
template <class T, class... Alternatives>
inline constexpr bool is_alternative<T, std::variant<Alternatives...>> = (std::is_same_v<T, Alternatives> || ...);
}  // namespace detail

// One of all messages; a Hello when made from nothing.
#define MR_WIRE_ALTERNATIVE(name, code, sender) , name
using Message = detail::VariantOf<void MR_WIRE_MESSAGES(MR_WIRE_ALTERNATIVE)>::Type;
#undef MR_WIRE_ALTERNATIVE

// Any one of the alternatives of Message.
template <class T>
concept MessageType = detail::is_alternative<T, Message>;

// Whether clients send it to servers.
template <MessageType T>
inline constexpr bool kIsRequest = sender_of(T::kType) == Sender::kClient;

FrameType type_of(const Message& message);

// Payloads keep sharing the frame's memory. kUnsupported: a type code that we do not know;
// kBadRequest: the payload does not hold what its type says (the detail names field and byte), or
// the type never stands alone (Event). Strings become valid UTF-8 whatever arrives: malformed bytes
// are kBadRequest, half surrogate pairs become U+FFFD.
// Memory: at most five times the payload's size besides the payload itself.
Result<Message> decode(const Frame& frame);
// The same for a payload that lies in `memory`: what the message keeps of it shares that.
Result<Message> decode(FrameType type, ByteView payload, const Bytes& memory);
// The same, where the type is known: without the way through a variant.
template <class M>
Result<M> decode_as(ByteView payload, const Bytes& memory);

// Appends the whole frame, header included. Strings that take more than 65,535 bytes when encoded
// are cut after the last character that fits; invalid UTF-8 is sent as U+FFFD.
// REQUIRES: a payload of at most kMaxSentPayload.
void encode(const Message& message, ByteBuffer& out);
// The same, without the way through a variant.
template <MessageType T>
void encode(const T& message, ByteBuffer& out);

// The same frame in pieces to be sent one after the other: payloads of kSharedPieceBytes and more are
// not copied but share their memory.
inline constexpr std::size_t kSharedPieceBytes = 1024;
std::vector<Bytes> encode_in_pieces(const Message& message);
template <MessageType T>
std::vector<Bytes> encode_in_pieces(const T& message);

// For large payloads that are not in memory yet: everything before and everything after `data`, so
// that the bytes themselves are sent from where they lie.
void encode_segment_read_around(const SegmentRead& message, ByteBuffer& before, ByteBuffer& after);
// Everything before the data of an AppendBlock; `data_bytes` bytes follow and nothing else.
void encode_append_block_before(const WriterId& writer, std::size_t data_bytes, ByteBuffer& before);

// "request_id=7 segment="s/t/0" data=<13 bytes 00000000...>": the fields for people. Payloads, long
// strings and lists are abbreviated; tokens never appear, only how long they are.
std::string describe(const Message& message);
// In quotes and on one line whatever is in it, and not longer than a line should be.
std::string quoted(std::string_view text);

}  // namespace millrace::wire
