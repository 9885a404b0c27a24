// SPDX-License-Identifier: Apache-2.0
//
// Fetching segments, and following them across splits and merges.
#include "client/reader/reader_core.h"

#include <algorithm>
#include <utility>

#include "client/reader/check_position.h"
#include "client/streams/stream_admin.h"
#include "common/runtime/rare.h"

namespace millrace::client {

namespace {

constexpr std::size_t kReaderMemoryMin = 1024 * 1024;
constexpr std::size_t kReaderMemoryMax = 1024 * 1024 * 1024;
// What one read asks for: enough to be fast, little enough to bound what a reply holds in memory.
constexpr std::size_t kReadBytesMax = 1024 * 1024;
constexpr std::size_t kReadBytesMin = 4 * 1024;
constexpr std::chrono::seconds kReadConnectAttempt{5};
// A store that is shutting down answers waiting reads with nothing.
constexpr std::chrono::milliseconds kEmptyReplyPause{10};
// A connection whose store says nothing, not even to keep-alives, is ended after a time between these.
constexpr std::chrono::seconds kSilenceMin{60};
constexpr std::chrono::seconds kSilenceMax{90};

}  // namespace

Task<Result<std::shared_ptr<ReaderCore>>> ReaderCore::open(ClientCore& client, StreamName stream, ReaderOptions options) {
    if (options.memory_bytes < kReaderMemoryMin || options.memory_bytes > kReaderMemoryMax) {
        co_return Error{ErrorCode::kInvalidArgument, "ReaderOptions::memory_bytes is " +
                                                         std::to_string(options.memory_bytes) +
                                                         "; it can be 1 MiB to 1 GiB"};
    }
    MR_CO_TRY_VOID(check_internal_name("scope", stream.scope));
    MR_CO_TRY_VOID(check_internal_name("stream", stream.stream));
    if (options.position) MR_CO_TRY_VOID(check_position("ReaderOptions::position", *options.position, stream));
    if (options.until) MR_CO_TRY_VOID(check_position("ReaderOptions::until", *options.until, stream));

    StreamAdmin admin{client};
    Position start;
    if (options.position) {
        start = *options.position;
        // The stream must exist, even if nothing of it has to be looked up.
        MR_CO_TRY(auto current, co_await client.controller.current_segments(stream, client.controller.normally()));
    } else if (options.from == ReaderOptions::From::kTail) {
        MR_CO_TRY(start, co_await admin.tail(stream));
    } else {
        MR_CO_TRY(start, co_await admin.head(stream));
    }
    auto reader = std::make_shared<ReaderCore>(client, std::move(stream), std::move(options), std::move(start));
    const auto begun = co_await reader->begin();
    if (!begun) {
        co_await reader->stop();
        co_return begun.error();
    }
    co_return reader;
}

ReaderCore::ReaderCore(ClientCore& client, StreamName stream, ReaderOptions options, Position start)
    : client_{client},
      stream_{std::move(stream)},
      options_{std::move(options)},
      start_{std::move(start)},
      handover_{[this] { arrived_.notify_all(); }},
      pool_{client.runtime, client.locations, client.connections} {}

ReaderCore::~ReaderCore() = default;

Task<Result<void>> ReaderCore::begin() {
    std::vector<SegmentId> first;
    for (const auto& [segment, offset] : start_.offsets) {
        MR_CO_TRY(const bool wanted, co_await is_wanted(segment));
        if (wanted) first.push_back(segment);
    }
    graph_.emplace(first, client_.mutations);
    for (const SegmentId segment : first) begin_fetching(segment, start_.offsets.at(segment));
    if (first.empty()) handover_.push(EndOfStream{});
    co_return ok();
}

void ReaderCore::begin_fetching(SegmentId segment, std::int64_t offset) {
    std::optional<std::int64_t> until;
    if (options_.until) {
        if (const auto bound = options_.until->offsets.find(segment); bound != options_.until->offsets.end()) {
            until = bound->second;
        }
    }
    const auto first_limit = connected_before_ ? client_.timeouts.retry : client_.timeouts.connect;
    auto fetcher = std::make_shared<Fetcher>(Fetcher{segment,
                                                     segment_name(stream_, segment),
                                                     offset,
                                                     until,
                                                     {},
                                                     std::make_shared<ReadAhead>(),
                                                     Retry{client_.runtime.clock, first_limit, client_.timeouts.retry}});
    gate_.spawn(client_.runtime.executor, [this, fetcher]() -> Task<void> { co_await fetch(fetcher); });
}

std::size_t ReaderCore::read_ahead_bytes() const {
    // Half of a segment's share is for what was read, half for what is being read.
    return std::max(kReadBytesMin, options_.memory_bytes / (2 * std::max<std::size_t>(1, graph_->active())));
}

Task<void> ReaderCore::fetch(std::shared_ptr<Fetcher> fetcher) {
    while (!stopping_) {
        if (fetcher->until && fetcher->offset >= *fetcher->until) {
            co_await segment_ended(fetcher->segment, true);
            co_return;
        }
        // An event that is not complete does not count: it may be larger than the whole share, and then
        // only the rest of it brings things forward.
        while (!stopping_ && !handover_.may_read(*fetcher->read_ahead, read_ahead_bytes())) {
            co_await room_.wait();
        }
        if (stopping_) co_return;
        const Progress progress = co_await read_once(fetcher);
        if (stopping_ || progress == Progress::kStop) co_return;
        if (progress == Progress::kEnded) {
            co_await segment_ended(fetcher->segment, false);
            co_return;
        }
    }
}

Task<ReaderCore::Progress> ReaderCore::read_once(std::shared_ptr<Fetcher> fetcher) {
    const Runtime& runtime = client_.runtime;
    const std::size_t most = MR_RARE("client.reads_little") ? kReadBytesMin : kReadBytesMax;
    std::int64_t length = static_cast<std::int64_t>(std::min(most, read_ahead_bytes()));
    if (fetcher->until) length = std::min(length, *fetcher->until - fetcher->offset);
    fetcher->retry.trying();
    const MonotonicTime connect_by = std::min(runtime.clock.now() + kReadConnectAttempt, fetcher->retry.give_up_at());
    std::optional<MonotonicTime> asked;
    auto make = [&asked, &runtime, name = fetcher->name, offset = fetcher->offset,
                 length](wire::RequestId id) -> wire::Message {
        asked = runtime.clock.now();  // there is a connection
        return wire::ReadSegment{name, offset, static_cast<std::int32_t>(length), "", id};
    };
    // At the end of what is written the reply comes with the next event, however long that takes.
    auto reply = co_await pool_.call(stream_, fetcher->segment, std::move(make), Deadline{connect_by}, Deadline::never());
    if (stopping_) co_return Progress::kStop;
    if (asked) waited_since(*fetcher, *asked);
    if (reply) co_return co_await take_reply(std::move(fetcher), std::move(*reply));

    const auto wait = fetcher->retry.failed(std::move(reply).error(), "reading segment " + fetcher->name);
    if (!wait) {
        fail(wait.error());
        co_return Progress::kStop;
    }
    co_return co_await pause(*wait) ? Progress::kMore : Progress::kStop;
}

void ReaderCore::waited_since(Fetcher& fetcher, MonotonicTime asked) {
    const auto wait = client_.runtime.clock.now() - asked;
    if (wait > kSilenceMax) {
        // The store said something meanwhile, if only that it lives.
        connected_before_ = true;
        fetcher.retry.worked();
    } else if (!fetcher.retry.failing() || wait < kSilenceMin) {
        fetcher.retry.waited(asked);
    }
    // Otherwise perhaps nobody was there: a wait for that, after a failure, is trying.
}

Task<ReaderCore::Progress> ReaderCore::take_reply(std::shared_ptr<Fetcher> fetcher, wire::Message reply) {
    connected_before_ = true;
    const std::string where = "segment " + fetcher->name + " at offset " + std::to_string(fetcher->offset);
    std::optional<Error> odd;
    if (auto* read = std::get_if<wire::SegmentRead>(&reply)) {
        if (read->segment == fetcher->name && read->offset == fetcher->offset) {
            fetcher->retry.worked();
            const bool ended = read->end_of_segment;
            const bool empty = read->data.empty();
            if (take_data(*fetcher, std::move(read->data)) == Progress::kStop) co_return Progress::kStop;
            if (ended) co_return at_end(*fetcher);
            if (empty && !co_await pause(kEmptyReplyPause)) co_return Progress::kStop;
            co_return Progress::kMore;
        }
        odd = Error{ErrorCode::kBadRequest, "the reply is about another place"};
    } else if (std::holds_alternative<wire::SegmentIsSealed>(reply)) {
        fetcher->retry.worked();
        co_return at_end(*fetcher);
    } else if (const auto* truncated = std::get_if<wire::SegmentIsTruncated>(&reply)) {
        if (truncated->start_offset > fetcher->offset) {
            fetcher->retry.worked();
            fetcher->cutter.reset();
            handover_.push(PositionChange{{}, {{fetcher->segment, truncated->start_offset}}});
            handover_.push(Failure{Error{ErrorCode::kTruncated, where + ": truncated away up to offset " +
                                                                    std::to_string(truncated->start_offset)},
                                   false});
            fetcher->offset = truncated->start_offset;
            co_return Progress::kMore;
        }
        odd = Error{ErrorCode::kBadRequest, "the reply says truncated, but not beyond the place"};
    } else if (std::holds_alternative<wire::NoSuchSegment>(reply)) {
        co_return co_await segment_missing(std::move(fetcher));
    } else if (const auto* refused = std::get_if<wire::ErrorMessage>(&reply)) {
        if (refused->error_code == 0) {
            fail(Error{ErrorCode::kInvalidArgument, where + " cannot be read: " + refused->message});
            co_return Progress::kStop;
        }
        odd = Error{ErrorCode::kInternal, refused->message};
    } else if (const auto* check = std::get_if<wire::AuthTokenCheckFailed>(&reply); check && check->error_code != 1) {
        fail(Error{ErrorCode::kUnauthenticated, where + ": the segment store refused the token"});
        co_return Progress::kStop;
    } else if (const auto* unsupported = std::get_if<wire::OperationUnsupported>(&reply)) {
        fail(Error{ErrorCode::kUnsupported, where + ": the segment store does not offer " + unsupported->operation_name});
        co_return Progress::kStop;
    } else {
        odd = Error{ErrorCode::kBadRequest, "the reply answers no read"};
    }

    const auto wait = fetcher->retry.failed(std::move(*odd), "reading " + where);
    if (!wait) {
        fail(wait.error());
        co_return Progress::kStop;
    }
    co_return co_await pause(*wait) ? Progress::kMore : Progress::kStop;
}

ReaderCore::Progress ReaderCore::take_data(Fetcher& fetcher, Bytes data) {
    std::int64_t run_offset = fetcher.offset - static_cast<std::int64_t>(fetcher.cutter.pending_bytes());
    fetcher.offset += static_cast<std::int64_t>(data.size());
    std::vector<Bytes> runs;
    const auto cut = fetcher.cutter.feed(std::move(data), runs);
    for (Bytes& run : runs) {
        const auto size = static_cast<std::int64_t>(run.size());
        handover_.push(EventRun{fetcher.segment, run_offset, std::move(run), fetcher.read_ahead});
        run_offset += size;
    }
    if (cut) return Progress::kMore;
    fail(Error{cut.error()}.while_doing("segment " + fetcher.name + " before offset " + std::to_string(fetcher.offset)));
    return Progress::kStop;
}

ReaderCore::Progress ReaderCore::at_end(const Fetcher& fetcher) {
    if (fetcher.cutter.pending_bytes() == 0) return Progress::kEnded;
    fail(Error{ErrorCode::kCorrupt, "segment " + fetcher.name + " ends inside an event"});
    return Progress::kStop;
}

Task<ReaderCore::Progress> ReaderCore::segment_missing(std::shared_ptr<Fetcher> fetcher) {
    const auto head = co_await client_.controller.head(stream_);
    if (stopping_) co_return Progress::kStop;
    if (!head) {
        const auto wait = fetcher->retry.failed(head.error(), "segment " + fetcher->name + " is gone");
        if (!wait) {
            fail(wait.error());
            co_return Progress::kStop;
        }
        co_return co_await pause(*wait) ? Progress::kMore : Progress::kStop;
    }
    // The stream is there. If others follow on the segment, it was truncated away as a whole; if not,
    // it was never there, or is being deleted with its stream.
    const auto followers = co_await successors(fetcher->segment);
    if (stopping_) co_return Progress::kStop;
    if (!followers || followers->empty()) {
        if (!followers && !followers.error().is(ErrorCode::kNotFound)) {
            fail(followers.error());
        } else {
            fail(Error{ErrorCode::kNotFound, "stream " + stream_.to_string() + " has no segment " + fetcher->name});
        }
        co_return Progress::kStop;
    }
    fetcher->retry.worked();
    handover_.push(Failure{Error{ErrorCode::kTruncated, "segment " + fetcher->name + " was truncated away"}, false});
    co_return Progress::kEnded;
}

Task<Result<std::vector<Successor>>> ReaderCore::successors(SegmentId segment) {
    Retry retry{client_.runtime.clock, client_.timeouts.retry, client_.timeouts.retry};
    while (true) {
        retry.trying();
        auto answer = co_await client_.controller.successors(stream_, segment, client_.controller.briefly());
        if (stopping_) co_return Error{ErrorCode::kClosed, "the reader is closed"};
        if (answer) co_return std::move(*answer);
        MR_CO_TRY(const auto wait, retry.failed(std::move(answer).error(),
                                                "asking for the successors of " + segment_name(stream_, segment)));
        if (!co_await pause(wait)) co_return Error{ErrorCode::kClosed, "the reader is closed"};
    }
}

Task<Result<bool>> ReaderCore::is_wanted(SegmentId segment) {
    if (!options_.until) co_return true;
    const auto& bounds = options_.until->offsets;
    if (bounds.contains(segment)) co_return true;
    // Descendants are younger: nothing that is older than all of its descendants can lead to a bound.
    if (segment > bounds.rbegin()->first) co_return false;
    if (const auto known = wanted_.find(segment); known != wanted_.end()) co_return known->second;
    // It lies before the end if one of those that came after it does.
    bool wanted = false;
    MR_CO_TRY(const auto followers, co_await successors(segment));
    for (const Successor& follower : followers) {
        MR_CO_TRY(const bool leads_there, co_await is_wanted(follower.segment.id));
        wanted = wanted || leads_there;
        if (wanted) break;
    }
    wanted_[segment] = wanted;
    co_return wanted;
}

Task<void> ReaderCore::segment_ended(SegmentId segment, bool at_until) {
    std::vector<SegmentGraph::Next> next;
    bool ask = true;
    if (at_until) {
        // What follows lies behind the end, unless the end names something younger that only this
        // segment leads to.
        const auto& bounds = options_.until->offsets;
        ask = std::any_of(bounds.begin(), bounds.end(), [&](const auto& bound) {
            return bound.first > segment && !start_.offsets.contains(bound.first);
        });
    }
    if (ask) {
        auto answer = co_await successors(segment);
        if (stopping_) co_return;
        if (!answer) {
            fail(std::move(answer).error());
            co_return;
        }
        for (Successor& successor : *answer) {
            const auto wanted = co_await is_wanted(successor.segment.id);
            if (stopping_) co_return;
            if (!wanted) {
                fail(wanted.error());
                co_return;
            }
            next.push_back({successor.segment.id, std::move(successor.predecessors), *wanted});
        }
    }
    const SegmentGraph::Change change = graph_->ended(segment, next);
    PositionChange position;
    position.forget = change.forget;
    for (const SegmentId begun : change.begin) position.set.emplace_back(begun, 0);
    if (!position.forget.empty() || !position.set.empty()) handover_.push(std::move(position));
    for (const SegmentId begun : change.begin) begin_fetching(begun, 0);
    // Fewer segments have larger shares.
    room_.notify_all();
    if (graph_->finished()) handover_.push(EndOfStream{});
}

Task<bool> ReaderCore::pause(std::chrono::nanoseconds duration) {
    const MonotonicTime end = client_.runtime.clock.now() + duration;
    while (!stopping_) {
        if (!co_await stop_.wait_until(client_.runtime.clock, end)) break;
    }
    co_return !stopping_;
}

void ReaderCore::fail(Error error) {
    if (stopping_) return;
    handover_.push(Failure{std::move(error), true});
}

Task<void> ReaderCore::stop() {
    stopping_ = true;
    gate_.shut();
    stop_.notify_all();
    room_.notify_all();
    arrived_.notify_all();
    co_await pool_.close();
    co_await gate_.close();
}

}  // namespace millrace::client
