// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/echo/echo_node.h"

#include <algorithm>

#include "common/runtime/rare.h"

namespace millrace::sim::echo {

using namespace std::chrono_literals;

namespace {
constexpr auto kAnswerLimit = 5s;  // slow disks are slow
constexpr std::size_t kBatchMax = 16;
}  // namespace

EchoNode::EchoNode(std::string name, Runtime runtime, MessageSession& messages, Config config)
    : name_{std::move(name)}, runtime_{runtime}, messages_{messages}, config_{std::move(config)} {}

void EchoNode::start() {
    gate_.spawn(runtime_.executor, [this] { return main(); });
}

Task<void> EchoNode::close() {
    closing_ = true;
    gate_.shut();
    if (config_.bugs.use_after_close && log_) log_->close();
    if (config_.bugs.free_before_users_end) log_.reset();
    if (listener_) listener_->close();
    if (socket_) socket_->close();
    for (const StreamPtr& stream : streams_) stream->close();
    closed_or_changed_.notify_all();
    co_await gate_.close();
    if (log_) log_->close();
}

void EchoNode::fail(const Error& error) {
    if (failed_ || closing_ || error.is(ErrorCode::kClosed)) return;
    failed_ = true;
    MR_PROBE("echo.fail_stop");
    config_.failed(error);
}

Task<bool> EchoNode::pause(std::chrono::nanoseconds duration) {
    const MonotonicTime until = runtime_.clock.now() + duration;
    while (!closing_ && runtime_.clock.now() < until) {
        (void)co_await closed_or_changed_.wait_until(runtime_.clock, until);
    }
    co_return !closing_;
}

Task<Result<Frame>> EchoNode::read_in_time(StreamPtr stream, std::chrono::nanoseconds limit) {
    const auto timer = runtime_.clock.schedule(runtime_.clock.now() + limit, runtime_.executor, [stream] {
        MR_PROBE("echo.answer_too_late");
        stream->close();
    });
    auto frame = co_await read_frame(*stream, config_.bugs);
    runtime_.clock.cancel(timer);
    co_return frame;
}

Task<void> EchoNode::main() {
    auto log = co_await Log::open(runtime_, config_.bugs);
    if (!log) {
        if (!log.error().is(ErrorCode::kNoSpace)) co_return fail(log.error());
        // Nothing is promised to anybody yet: begin again.
        MR_PROBE("echo.full_at_start");
        if (co_await pause(100ms)) gate_.spawn(runtime_.executor, [this] { return main(); });
        co_return;
    }
    log_ = std::move(log).value();
    if (closing_) co_return;
    gate_.spawn(runtime_.executor, [this] { return accept_streams(); });
    if (name_ == config_.leader) co_await lead();
}

// Follower.

Task<void> EchoNode::accept_streams() {
    auto listener = co_await runtime_.network.listen(Endpoint{"0.0.0.0", kReplicaPort});
    if (!listener) co_return fail(listener.error());
    listener_ = std::move(listener).value();
    while (!closing_) {
        auto accepted = co_await listener_->accept();
        if (!accepted) {
            if (accepted.error().is(ErrorCode::kClosed)) co_return;
            continue;
        }
        if (closing_) co_return;
        StreamPtr stream = std::move(accepted).value();
        streams_.push_back(stream);
        gate_.spawn(runtime_.executor, [this, stream]() -> Task<void> {
            co_await serve(stream);
            stream->close();
            std::erase(streams_, stream);
        });
    }
}

Task<void> EchoNode::serve(StreamPtr stream) {
    for (;;) {
        auto request = co_await read_frame(*stream, config_.bugs);
        if (!request) co_return;
        auto reply = co_await answer(std::move(request).value());
        if (!reply) {
            if (reply.error().is(ErrorCode::kIo) || reply.error().is(ErrorCode::kCorrupt)) fail(reply.error());
            co_return;
        }
        if (const auto sent = co_await write_frame(*stream, std::move(reply).value()); !sent) co_return;
    }
}

Task<Result<Frame>> EchoNode::answer(Frame request) {
    const Turnstile::Turn turn = co_await log_turn_.enter();
    if (closing_ && !config_.bugs.use_after_close) co_return Error{ErrorCode::kClosed, "closing"};
    if (failed_) co_return Error{ErrorCode::kClosed, "failed"};
    if (request.number == 0) co_return Error{ErrorCode::kBadRequest, "there is no epoch 0"};
    if (request.number < log_->promised()) {
        MR_PROBE("echo.refused_old_epoch");
        co_return Frame{FrameType::kRefused, log_->promised(), {}};
    }
    switch (request.type) {
        case FrameType::kPrepare:
            if (request.number > log_->promised()) MR_CO_TRY_VOID(co_await log_->promise(request.number));
            co_return Frame{FrameType::kState, log_->epoch(), log_->records()};
        case FrameType::kAdopt:
            if (request.number != log_->promised()) break;
            if (log_->last() > request.records.size()) MR_PROBE("echo.cut_uncommitted_tail");
            MR_CO_TRY_VOID(co_await log_->replace(request.number, std::move(request.records)));
            co_return Frame{FrameType::kSynced, log_->last(), {}};
        case FrameType::kAppend: {
            if (request.number != log_->promised() || request.number != log_->epoch()) break;
            Records news;
            for (Record& record : request.records) {
                if (record.number <= log_->last()) continue;
                if (record.number != log_->last() + news.size() + 1)
                    co_return Error{ErrorCode::kBadRequest, "append leaves a gap"};
                news.push_back(std::move(record));
            }
            if (!news.empty()) MR_CO_TRY_VOID(co_await log_->append(std::move(news)));
            co_return Frame{FrameType::kSynced, log_->last(), {}};
        }
        default:
            break;
    }
    co_return Error{ErrorCode::kBadRequest, "frame out of turn"};
}

// Leader.

Task<void> EchoNode::lead() {
    for (;;) {
        const Turnstile::Turn turn = co_await log_turn_.enter();
        if (closing_) co_return;
        const auto promised = co_await log_->promise(log_->promised() + 1);
        if (promised) break;
        if (!promised.error().is(ErrorCode::kNoSpace)) co_return fail(promised.error());
        if (!co_await pause(100ms)) co_return;
    }
    if (closing_) co_return;
    epoch_ = log_->promised();
    for (const std::string& follower : config_.followers) peers_.push_back(Peer{.name = follower, .records = {}});
    for (Peer& peer : peers_) {
        gate_.spawn(runtime_.executor, [this, &peer] { return replicate(peer); });
    }
    co_await choose_log();
    if (!chosen_) co_return;
    auto socket = messages_.open(kClientPort);
    if (!socket) co_return fail(socket.error());
    socket_ = std::move(socket).value();
    gate_.spawn(runtime_.executor, [this] { return write_own_log(); });
    co_await take_writes();
}

Task<void> EchoNode::choose_log() {
    const std::size_t others = (peers_.size() + 1) / 2;  // with the leader a majority
    const auto answers = [this] {
        return static_cast<std::size_t>(std::count_if(peers_.begin(), peers_.end(), [](auto& p) { return p.answered; }));
    };
    while (!closing_ && answers() < others) co_await closed_or_changed_.wait();
    // Sometimes more of them answer before the choice.
    if (MR_RARE("echo.choose_late") && !co_await pause(300ms)) co_return;
    if (closing_) co_return;
    Records best = log_->records();
    std::uint64_t best_epoch = log_->epoch();
    for (Peer& peer : peers_) {
        if (!peer.answered) continue;
        if (std::pair{peer.log_epoch, peer.records.size()} > std::pair{best_epoch, best.size()}) {
            MR_PROBE("echo.log_of_a_follower_chosen");
            best_epoch = peer.log_epoch;
            best = peer.records;
        }
    }
    for (;;) {
        Result<void> replaced = ok();
        {
            const Turnstile::Turn turn = co_await log_turn_.enter();
            if (closing_) co_return;
            replaced = co_await log_->replace(epoch_, best);
        }
        if (replaced) break;
        if (!replaced.error().is(ErrorCode::kNoSpace)) co_return fail(replaced.error());
        if (!co_await pause(100ms)) co_return;
    }
    entries_ = std::move(best);
    own_synced_ = entries_.size();
    chosen_ = true;
    closed_or_changed_.notify_all();
}

Task<void> EchoNode::take_writes() {
    while (!closing_) {
        auto message = co_await socket_->receive();
        if (!message) co_return;
        if (message->returned) continue;
        auto frame = decode(message->bytes, config_.bugs);
        if (!frame || frame->type != FrameType::kWrite || frame->records.size() != 1) continue;
        Record record = std::move(frame->records.front());
        client_ = message->peer;
        if (record.number <= committed_) {
            MR_PROBE("echo.acknowledged_again");
            (void)socket_->send(*client_, Bytes{encode(Frame{FrameType::kAck, record.number, {}})});
        } else if (record.number == entries_.size() + 1) {
            entries_.push_back(std::move(record));
            closed_or_changed_.notify_all();
        } else {
            MR_PROBE("echo.write_out_of_turn");
        }
    }
}

Records EchoNode::entries_after(std::uint64_t last) const {
    const std::size_t most = MR_RARE("echo.small_batch") ? 1 : kBatchMax;
    const std::size_t count = std::min<std::size_t>(most, entries_.size() - last);
    const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(last);
    return Records(begin, begin + static_cast<std::ptrdiff_t>(count));
}

Task<void> EchoNode::wait_for_entries(std::uint64_t have) {
    if (config_.bugs.lose_wake_up) {
        if (closing_ || entries_.size() > have) co_return;
        co_await sleep_for(runtime_.clock, 1ms);  // whoever notifies now is not heard
        co_await closed_or_changed_.wait();
        co_return;
    }
    while (!closing_ && entries_.size() <= have) co_await closed_or_changed_.wait();
}

Task<void> EchoNode::write_own_log() {
    for (;;) {
        co_await wait_for_entries(own_synced_);
        if (closing_) co_return;
        const Records news = entries_after(own_synced_);
        if (news.empty()) continue;
        Result<void> appended = ok();
        {
            const Turnstile::Turn turn = co_await log_turn_.enter();
            if (closing_) co_return;
            appended = co_await log_->append(news);
        }
        if (!appended) {
            if (!appended.error().is(ErrorCode::kNoSpace)) co_return fail(appended.error());
            if (!co_await pause(50ms)) co_return;
            continue;
        }
        own_synced_ += news.size();
        advance();
    }
}

Task<void> EchoNode::replicate(Peer& peer) {
    while (!closing_) {
        auto connected = co_await runtime_.network.connect(Endpoint{peer.name, kReplicaPort},
                                                           Deadline::after(runtime_.clock, 1s));
        if (closing_) co_return;
        if (connected) {
            const StreamPtr stream = std::move(connected).value();
            streams_.push_back(stream);
            const auto ended = co_await converse(peer, stream);
            stream->close();
            std::erase(streams_, stream);
            if (ended.ok() || closing_) co_return;
            MR_PROBE("echo.conversation_ended");
        }
        if (!co_await pause(std::chrono::milliseconds{runtime_.random.between(1, 100)})) co_return;
    }
}

// Ends well only when the process closes.
Task<Result<void>> EchoNode::converse(Peer& peer, StreamPtr stream) {
    MR_CO_TRY_VOID(co_await write_frame(*stream, Frame{FrameType::kPrepare, epoch_, {}}));
    MR_CO_TRY(Frame state, co_await read_in_time(stream, kAnswerLimit));
    if (state.type != FrameType::kState) co_return Error{ErrorCode::kBadRequest, "prepare was refused"};
    if (!chosen_) {
        peer.answered = true;
        peer.log_epoch = state.number;
        peer.records = state.records;
        closed_or_changed_.notify_all();
        while (!chosen_ && !closing_) co_await closed_or_changed_.wait();
    }
    if (closing_) co_return ok();

    if (state.number == epoch_) {
        MR_PROBE("echo.follower_went_on");
        peer.synced = state.records.size();
    } else {
        MR_PROBE("echo.follower_adopted");
        MR_CO_TRY_VOID(co_await write_frame(*stream, Frame{FrameType::kAdopt, epoch_, entries_}));
        MR_CO_TRY(const Frame adopted, co_await read_in_time(stream, kAnswerLimit));
        if (adopted.type != FrameType::kSynced) co_return Error{ErrorCode::kBadRequest, "adopt was refused"};
        peer.synced = adopted.number;
    }
    peer.counts = true;
    advance();
    for (;;) {
        co_await wait_for_entries(peer.synced);
        if (closing_) co_return ok();
        if (MR_RARE("echo.drop_conversation")) co_return Error{ErrorCode::kCancelled, "dropped"};
        Records news = entries_after(peer.synced);
        if (news.empty()) continue;
        MR_CO_TRY_VOID(co_await write_frame(*stream, Frame{FrameType::kAppend, epoch_, std::move(news)}));
        MR_CO_TRY(const Frame appended, co_await read_in_time(stream, kAnswerLimit));
        if (appended.type != FrameType::kSynced) co_return Error{ErrorCode::kBadRequest, "append was refused"};
        peer.synced = std::max(peer.synced, appended.number);
        advance();
    }
}

void EchoNode::advance() {
    std::vector<std::uint64_t> synced{own_synced_};
    for (const Peer& peer : peers_) synced.push_back(peer.counts ? peer.synced : 0);
    std::sort(synced.begin(), synced.end());
    const std::uint64_t quorum = synced[(synced.size() - 1) / 2];
    if (quorum <= committed_ || closing_) return;
    if (own_synced_ < quorum) MR_PROBE("echo.committed_by_followers");
    const std::uint64_t before = std::exchange(committed_, quorum);
    config_.committed(committed_);
    for (std::uint64_t number = before + 1; client_ && socket_ && number <= committed_; ++number) {
        (void)socket_->send(*client_, Bytes{encode(Frame{FrameType::kAck, number, {}})});
    }
}

std::string EchoNode::state() const {
    std::string text = name_ + (closing_ ? " closing" : failed_ ? " failed" : "");
    if (log_) {
        text += " promised " + std::to_string(log_->promised()) + " log epoch " + std::to_string(log_->epoch()) + " last " +
                std::to_string(log_->last());
    } else {
        text += " without a log";
    }
    if (name_ != config_.leader) return text;
    text += std::string{chosen_ ? " chose" : " did not choose"} + ", entries " + std::to_string(entries_.size()) +
            " own " + std::to_string(own_synced_) + " committed " + std::to_string(committed_);
    for (const Peer& peer : peers_) text += ", " + peer.name + " " + std::to_string(peer.synced);
    return text;
}

}  // namespace millrace::sim::echo
