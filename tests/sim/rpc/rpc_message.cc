// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/rpc/rpc_message.h"

#include "common/base/binary.h"

namespace millrace::sim {

namespace {

using Writer = BinaryWriter<std::endian::little>;
using Reader = BinaryReader<std::endian::little>;

void put_text(Writer& out, std::string_view text) {
    out.u32(static_cast<std::uint32_t>(text.size()));
    out.bytes(as_bytes(text));
}

std::string get_text(Reader& in) {
    const std::uint32_t length = in.u32();
    return std::string{as_text(in.bytes(length))};
}

}  // namespace

Bytes encode_rpc(const RpcMessage& message) {
    ByteBuffer buffer;
    Writer out{buffer};
    out.u8(static_cast<std::uint8_t>(message.kind));
    out.u64(message.call);
    out.u8(static_cast<std::uint8_t>(message.status));
    put_text(out, message.method);
    put_text(out, message.body);
    out.u32(static_cast<std::uint32_t>(message.metadata.size()));
    for (const auto& [key, value] : message.metadata) {
        put_text(out, key);
        put_text(out, value);
    }
    out.u8(message.attempt);
    return Bytes{std::move(buffer)};
}

Result<RpcMessage> decode_rpc(ByteView bytes) {
    Reader in{bytes};
    RpcMessage message;
    const std::uint8_t kind = in.u8();
    message.kind = static_cast<RpcKind>(kind);
    message.call = in.u64();
    const std::uint8_t status = in.u8();
    message.status = static_cast<rpc::StatusCode>(status);
    message.method = get_text(in);
    message.body = get_text(in);
    const std::uint32_t count = in.u32();
    for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
        std::string key = get_text(in);
        message.metadata[std::move(key)] = get_text(in);
    }
    message.attempt = in.u8();
    if (in.failed() || in.remaining() > 0 || kind < 1 || kind > 5 || status > 16) {
        return Error{ErrorCode::kCorrupt, "not a message of a call"};
    }
    return message;
}

}  // namespace millrace::sim
