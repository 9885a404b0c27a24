// SPDX-License-Identifier: Apache-2.0
//
// What `millrace wire-check` does with the bytes of one direction of a data-port connection: cuts
// them into frames, prints each on a line, follows append blocks, and stops at the first damage.
// Memory: one frame (16 MiB), an append block that is open, and the writers of a connection.
// Thread rule: one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/wire/append_assembler.h"
#include "common/wire/messages.h"

namespace millrace::cli {

// Who sent the bytes.
enum class WireSide { kEither, kClient, kServer };

class WireStream {
public:
    // A line without its newline. An error ends the check.
    using Print = std::function<Result<void>(std::string_view line)>;

    WireStream(WireSide side, Print print) : side_{side}, print_{std::move(print)} {}

    // kCorrupt: damage; the detail says at which byte of the stream, what is there and what should be.
    // Otherwise the printer's error.
    Result<void> feed(ByteView bytes);
    // The stream ends here. kCorrupt: in the middle of something.
    Result<void> finish();

    // "3 frames in 115 bytes: ..."; also after damage, of what came before it.
    std::string summary() const;

private:
    Result<void> take_frame(ByteView payload, wire::FrameType type);
    Result<void> check_side(wire::FrameType type) const;
    Result<std::string> follow_appends(wire::Message& message);
    // Captures may begin after the set-up of a writer; its appends are followed all the same.
    void set_up_if_unknown(const WriterId& writer);
    Result<std::string> note_append(const wire::Append& append);
    Error damage(const std::string& what) const;

    const WireSide side_;
    const Print print_;
    ByteBuffer pending_;        // of the frame that is not whole yet
    std::uint64_t offset_ = 0;  // of the frame that is being looked at

    wire::AppendAssembler assembler_;
    std::optional<std::uint64_t> open_block_;  // its offset

    std::uint64_t frames_ = 0;
    std::map<std::string, std::uint64_t> frames_by_name_;
    std::uint64_t appends_ = 0;
    std::uint64_t append_events_ = 0;
    std::uint64_t append_bytes_ = 0;
    std::uint64_t unannounced_writers_ = 0;
};

// "00 ff" and the like to bytes, a piece at a time: hex digits, blanks, and comments from '#' to the
// end of the line.
class HexText {
public:
    // Appends the bytes to `out`. kCorrupt names line and column of anything else.
    Result<void> feed(std::string_view text, ByteBuffer& out);
    // kCorrupt: half a byte is left.
    Result<void> finish() const;

private:
    std::uint64_t line_ = 1;
    std::uint64_t column_ = 0;
    bool comment_ = false;
    int high_ = -1;  // the first digit of a byte
};

}  // namespace millrace::cli
