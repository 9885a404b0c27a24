// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/message_fabric.h"

#include <deque>
#include <list>
#include <map>

#include "common/runtime/rare.h"
#include "common/runtime/signal.h"

namespace millrace::sim {

namespace {

// One bound address, shared by its socket and the fabric.
struct MessageBox {
    MessageAddress address;
    std::deque<Message> queue;
    Signal arrived;
    bool closed = false;
};
using MessageBoxPtr = std::shared_ptr<MessageBox>;

// One message and its copies under way.
struct Letter {
    MessageAddress from;
    MessageAddress to;
    Bytes bytes;
    std::weak_ptr<MessageBox> sender;
    bool delivered = false;
    int copies = 1;
};
using LetterPtr = std::shared_ptr<Letter>;

bool strikes(Random& random, std::uint32_t one_in) { return one_in > 0 && random.one_in(one_in); }

}  // namespace

class MessageFabric::Impl : public std::enable_shared_from_this<MessageFabric::Impl> {
public:
    explicit Impl(Seams seams)
        : executor{std::move(seams.executor)},
          clock{seams.clock},
          trace{seams.trace},
          random{seams.seed},
          conditions{seams.conditions} {}

    void send(const LetterPtr& letter) {
        if (strikes(random, options.drop_one_in)) {
            MR_PROBE("sim.message.dropped");
            trace.note(clock.now(), "message dropped", letter->to.host, letter->to.port, letter->bytes.size());
            return;
        }
        if (strikes(random, options.repeat_one_in)) {
            MR_PROBE("sim.message.repeated");
            letter->copies = 2;
            carry(letter, random_up_to(options.repeat_late_max));
        }
        std::chrono::nanoseconds held{0};
        if (strikes(random, options.reorder_one_in)) {
            MR_PROBE("sim.message.reordered");
            held = random_up_to(options.reorder_late_max);
        }
        carry(letter, held);
    }

    Executor executor;
    SimClock& clock;
    Trace& trace;
    SeededRandom random;
    const Conditions& conditions;
    MessageOptions options;
    std::map<MessageAddress, MessageBoxPtr> boxes;
    std::uint16_t last_port = 40000;

private:
    std::chrono::nanoseconds random_up_to(std::chrono::nanoseconds most) {
        return std::chrono::nanoseconds{random.between(0, static_cast<std::uint64_t>(most.count()) + 1)};
    }
    std::chrono::nanoseconds latency(const std::string& from, const std::string& to) {
        const auto low = static_cast<std::uint64_t>(options.latency_min.count());
        const auto high = std::max(low, static_cast<std::uint64_t>(options.latency_max.count()));
        return std::chrono::microseconds{random.between(low, high + 1)} + conditions.slowness(from, to);
    }

    void carry(const LetterPtr& letter, std::chrono::nanoseconds held) {
        const std::string& from = letter->from.host;
        const std::string& to = letter->to.host;
        if (under_way_ >= options.under_way_max) {
            MR_PROBE("sim.message.network_full");
            --letter->copies;
            return;
        }
        ++under_way_;
        const MonotonicTime leaves = std::max(clock.now(), conditions.clogged_until(from, to));
        clock.schedule(leaves + latency(from, to) + held, executor,
                       [self = shared_from_this(), letter] { self->arrive(letter); });
    }

    void arrive(const LetterPtr& letter) {
        --under_way_;
        --letter->copies;
        if (conditions.blocked(letter->from.host, letter->to.host)) {
            MR_PROBE("sim.message.blocked");
            trace.note(clock.now(), "message blocked", letter->to.host, letter->to.port);
            return;
        }
        const auto found = boxes.find(letter->to);
        if (found == boxes.end()) {
            trace.note(clock.now(), "message unwanted", letter->to.host, letter->to.port);
            if (!letter->delivered && letter->copies == 0 &&
                !conditions.blocked(letter->to.host, letter->from.host) &&
                !strikes(random, options.drop_one_in)) {
                clock.schedule(clock.now() + latency(letter->to.host, letter->from.host), executor,
                               [self = shared_from_this(), letter] { self->give_back(letter); });
            }
            return;
        }
        MessageBox& box = *found->second;
        if (box.queue.size() >= options.queue_max) {
            MR_PROBE("sim.message.queue_full");
            trace.note(clock.now(), "message lost", letter->to.host, letter->to.port);
            return;
        }
        letter->delivered = true;
        trace.note(clock.now(), "message", letter->to.host, letter->to.port, letter->bytes.size());
        box.queue.push_back(Message{letter->from, letter->bytes, false});
        box.arrived.notify_all();
    }

    void give_back(const LetterPtr& letter) {
        const MessageBoxPtr sender = letter->sender.lock();
        if (!sender || sender->closed || sender->queue.size() >= options.queue_max) return;
        MR_PROBE("sim.message.returned");
        trace.note(clock.now(), "message returned", letter->from.host, letter->from.port);
        sender->queue.push_back(Message{letter->to, letter->bytes, true});
        sender->arrived.notify_all();
    }

    std::size_t under_way_ = 0;
};

namespace {

using MessageFabricPtr = std::shared_ptr<MessageFabric::Impl>;

void close_box(MessageFabric::Impl& fabric, const MessageBoxPtr& box) {
    if (box->closed) return;
    box->closed = true;
    box->queue.clear();
    const auto found = fabric.boxes.find(box->address);
    if (found != fabric.boxes.end() && found->second == box) fabric.boxes.erase(found);
    box->arrived.notify_all();
}

class SimMessageSocket final : public MessageSocket {
public:
    SimMessageSocket(MessageFabricPtr fabric, MessageBoxPtr box) : fabric_{std::move(fabric)}, box_{std::move(box)} {}
    ~SimMessageSocket() override { SimMessageSocket::close(); }

    Result<void> send(MessageAddress to, Bytes message) override {
        if (box_->closed) return closed_here(*box_);
        if (message.size() > fabric_->options.message_bytes_max) {
            return Error{ErrorCode::kTooLarge, "message of " + std::to_string(message.size()) + " bytes to " +
                                                   to.to_string() + ": at most " +
                                                   std::to_string(fabric_->options.message_bytes_max)};
        }
        if (to.host == "localhost" || to.host == "127.0.0.1") to.host = box_->address.host;
        auto letter = std::make_shared<Letter>();
        letter->from = box_->address;
        letter->to = std::move(to);
        letter->bytes = std::move(message);
        letter->sender = box_;
        fabric_->send(letter);
        return ok();
    }

    Task<Result<Message>> receive() override {
        const MessageBoxPtr box = box_;
        while (!box->closed && box->queue.empty()) co_await box->arrived.wait();
        if (box->closed) co_return closed_here(*box);
        Message message = std::move(box->queue.front());
        box->queue.pop_front();
        co_return std::move(message);
    }

    MessageAddress local() const override { return box_->address; }
    void close() override { close_box(*fabric_, box_); }

private:
    static Error closed_here(const MessageBox& box) {
        return Error{ErrorCode::kClosed, "message socket " + box.address.to_string() + " is closed"};
    }

    MessageFabricPtr fabric_;
    MessageBoxPtr box_;
};

class SimMessageSession final : public MessageSession {
public:
    SimMessageSession(MessageFabricPtr fabric, std::string host) : fabric_{std::move(fabric)}, host_{std::move(host)} {}

    Result<std::unique_ptr<MessageSocket>> open(std::uint16_t port) override {
        if (!alive_) return Error{ErrorCode::kClosed, "process is dead"};
        MessageAddress address{host_, port};
        while (address.port == 0 || (port == 0 && fabric_->boxes.contains(address))) address.port = ++fabric_->last_port;
        auto box = std::make_shared<MessageBox>();
        box->address = address;
        if (!fabric_->boxes.emplace(address, box).second) {
            return Error{ErrorCode::kInUse, "message port " + address.to_string() + " is taken"};
        }
        std::erase_if(boxes_, [](const std::weak_ptr<MessageBox>& old) { return old.expired(); });
        boxes_.push_back(box);
        std::unique_ptr<MessageSocket> socket = std::make_unique<SimMessageSocket>(fabric_, std::move(box));
        return socket;
    }

    void die() override {
        alive_ = false;
        for (const auto& weak : boxes_) {
            if (const MessageBoxPtr box = weak.lock()) close_box(*fabric_, box);
        }
        boxes_.clear();
    }

private:
    MessageFabricPtr fabric_;
    std::string host_;
    bool alive_ = true;
    std::list<std::weak_ptr<MessageBox>> boxes_;
};

}  // namespace

MessageFabric::MessageFabric(Seams seams) : impl_{std::make_shared<Impl>(std::move(seams))} {}
MessageFabric::~MessageFabric() = default;

MessageOptions& MessageFabric::options() { return impl_->options; }

std::unique_ptr<MessageSession> MessageFabric::attach(std::string host) {
    return std::make_unique<SimMessageSession>(impl_, std::move(host));
}

void MessageFabric::shut_down() {
    const auto boxes = impl_->boxes;
    for (const auto& [address, box] : boxes) close_box(*impl_, box);
}

}  // namespace millrace::sim
