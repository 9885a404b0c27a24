// SPDX-License-Identifier: Apache-2.0
//
// A stream, its controller and its segment store in memory, for tests of the client: real frames over
// whatever network the runtime has, controller calls by a direct channel. The test decides what
// happens to each append and when segments are split, merged and sealed.
// Thread rule: the runtime's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/control/controller_client.h"
#include "common/runtime/gate.h"
#include "common/runtime/runtime.h"
#include "common/transport/connection.h"
#include "common/wire/append_assembler.h"

namespace millrace::client::testing {

// More reads than this waiting on one connection end it, as in the real segment store.
inline constexpr std::size_t kWaitingReadsMax = 1000;

// What becomes of an append.
enum class AppendFate : std::uint8_t {
    kStore,             // stored and acknowledged
    kStoreSilently,     // stored; the acknowledgement is held back until release()
    kBreakBefore,       // the connection ends before it is stored
    kBreakAfter,        // the connection ends after it is stored, before it is acknowledged
    kRefuseNumber,      // InvalidEventNumber, and the connection ends
    kWrongHost,         // WrongHost, and the connection ends
    kGarble,            // stored; a frame of an unknown type comes instead of the acknowledgement
};

struct FakeSegment {
    SegmentId id;
    KeyRange range;
    std::vector<SegmentId> predecessors;
    std::vector<SegmentId> successors;
    ByteBuffer data;
    std::int64_t start_offset = 0;
    bool sealed = false;
    bool current = true;  // of the newest epoch
    bool deleted = false;
    std::map<WriterId, std::int64_t> last_number;

    std::vector<std::string> events() const;
};

class FakeCluster {
public:
    FakeCluster(Runtime runtime, StreamName stream, std::size_t segments);
    ~FakeCluster();

    // Listens; `host` is where clients find it.
    Task<Result<void>> start(std::string host, std::string bind);
    Task<void> close();
    // Calls end in kUnavailable while `reachable` is false.
    std::unique_ptr<rpc::Channel> channel();
    // Ends every connection, and refuses new ones until `listening` again.
    void cut_connections();

    // What happens to appends; everything is stored when empty.
    std::function<AppendFate(const FakeSegment&, const wire::Append&)> on_append;
    // Acknowledges what was stored silently on connections that live.
    void release();
    // What a read may bring at most, besides what it asks for.
    std::function<std::size_t()> read_limit;
    // A read ends the connection when this says so.
    std::function<bool()> break_read;
    // How long a controller call takes.
    std::chrono::nanoseconds controller_delay{0};
    bool reachable = true;
    bool refuse_connections = false;
    // Connections are taken, and nothing is ever said on them.
    bool mute = false;

    // Replaces `old` by segments with these ranges: successors are known first, then `old` is sealed.
    std::vector<SegmentId> scale(const std::vector<SegmentId>& old, const std::vector<KeyRange>& ranges);
    // The same, but the old segments still take appends until seal().
    std::vector<SegmentId> prepare_scale(const std::vector<SegmentId>& old, const std::vector<KeyRange>& ranges);
    void seal(SegmentId segment);
    void seal_stream();
    void truncate(SegmentId segment, std::int64_t offset);
    void delete_stream();

    // Appends an event as some other writer would.
    void put(SegmentId segment, std::string_view payload);
    FakeSegment& segment(SegmentId id) { return segments_.at(id); }
    const std::map<SegmentId, FakeSegment>& segments() const { return segments_; }
    std::vector<SegmentId> current() const;

    std::size_t connections_made = 0;
    std::size_t setups = 0;
    std::size_t appends = 0;
    std::size_t uri_calls = 0;
    // What the last call to truncate the stream asked for; nothing is truncated by it.
    std::map<SegmentId, std::int64_t> asked_cut;
    std::size_t waiting_reads() const;

private:
    friend class FakeChannel;
    struct Peer;

    Task<void> accept_loop();
    Task<void> serve(std::shared_ptr<Peer> peer);
    bool handle(Peer& peer, wire::Message message);  // false: end the connection
    bool append(Peer& peer, wire::AppendBlockEnd block);
    // Answers a read now if it can be; otherwise it waits.
    bool try_read(Peer& peer, const wire::ReadSegment& read);
    void wake_reads();
    void acknowledge(Peer& peer, const WriterId& writer, std::int64_t number);
    FakeSegment* find(const std::string& name);
    Result<std::string> answer(std::string method, std::string body);

    Runtime runtime_;
    const StreamName stream_;
    std::map<SegmentId, FakeSegment> segments_;
    std::int32_t epoch_ = 0;
    std::int32_t next_number_ = 0;
    bool sealed_ = false;
    bool stream_deleted_ = false;
    Endpoint endpoint_;
    std::unique_ptr<Listener> listener_;
    std::list<std::shared_ptr<Peer>> peers_;
    Gate gate_;
};

// The payloads of a segment's bytes. REQUIRES: whole events.
std::vector<std::string> payloads_of(ByteView bytes);

// Checks what writers of "<key>#<n>" events (n from 0 for each key) have got stored: each key's
// numbers once and in order along the segments. An empty text, or what is wrong.
std::string check_stored(const FakeCluster& cluster, const std::map<std::string, std::uint64_t>& written);
// The same for events in the order a reader returned them.
std::string check_order(const std::vector<std::string>& events, const std::map<std::string, std::uint64_t>& written);

}  // namespace millrace::client::testing
