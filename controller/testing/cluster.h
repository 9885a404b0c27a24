// SPDX-License-Identifier: Apache-2.0
//
// A controller without gRPC in a simulated world: the metadata and the segments survive its crashes.
// A fault or a crash can be asked for at any effect, that is, at any change of either. For tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/metadata/testing/memory_metadata_store.h"
#include "controller/retention/retention.h"
#include "controller/segments/testing/fake_segments.h"
#include "controller/service/service.h"
#include "controller/store/paths.h"
#include "controller/store/records.h"
#include "tests/sim/world.h"

namespace millrace::controller {

namespace pb = service::pb;

class Cluster {
    sim::World world_;

public:
    metadata::MemoryMetadataStore metadata{world_.clock()};

    explicit Cluster(std::uint64_t seed = 1) : world_{seed}, node_{&world_.add_node("controller")} {
        metadata.set_fate([this](std::uint64_t) {
            switch (next_effect()) {
                case Effect::kNormal: return metadata::MemoryMetadataStore::Outcome::kNormal;
                case Effect::kLost: return metadata::MemoryMetadataStore::Outcome::kLost;
                case Effect::kUnheard: return metadata::MemoryMetadataStore::Outcome::kAppliedUnheard;
            }
            return metadata::MemoryMetadataStore::Outcome::kNormal;
        });
        segments.fate = [this](const std::string&) {
            switch (next_effect()) {
                case Effect::kNormal: return segments::FakeSegments::Outcome::kNormal;
                case Effect::kLost: return segments::FakeSegments::Outcome::kLost;
                case Effect::kUnheard: return segments::FakeSegments::Outcome::kDoneUnheard;
            }
            return segments::FakeSegments::Outcome::kNormal;
        };
        segments.changed = [this](const std::string& what) { check_order(what); };
        boot();
    }
    ~Cluster() {
        segments.hold = false;
        segments.released.notify_all();
        stop();
    }

    void boot() {
        process_ = std::make_unique<Process>(*this);
        const Result<void> started = world_.run([this]() -> Task<Result<void>> {
            MR_CO_TRY_VOID(co_await process_->store.open());
            co_return co_await process_->engine.resume();
        });
        MR_CHECK(started.ok() || crashed_);
    }

    // What happens to one effect, counted from the moment that this is asked for.
    struct Fault {
        std::uint64_t at = 0;
        bool done = false;  // it takes effect without anybody hearing of it, or is lost
        bool dies = true;   // the controller reaches nothing any more from then on
    };
    // Effects from now on are counted.
    void count_effects(std::optional<Fault> fault = std::nullopt) {
        effects_ = 0;
        fault_ = fault;
    }
    std::uint64_t effects() const { return effects_; }
    bool crashed() const { return crashed_; }

    // The process goes; everything it had reached stays.
    void restart(std::optional<Fault> fault = std::nullopt) {
        metadata.cut_off(true);
        segments.cut_off = true;
        segments.released.notify_all();
        stop();
        crashed_ = false;
        metadata.cut_off(false);
        segments.cut_off = false;
        node_->kill();
        count_effects(fault);
        boot();
    }

    // Starts a call and leaves it running; ended() tells when it is over.
    template <class F>
    void begin(F call) {
        ++calls_running_;
        world_.spawn([this, call = std::move(call)]() mutable -> Task<void> {
            co_await call(process_->service);
            --calls_running_;
        });
    }
    bool ended() const { return calls_running_ == 0; }

    // One call from begin to end.
    template <class Reply, class Request>
    Result<Reply> call(Task<Result<Reply>> (service::Service::*method)(Request), Request request) {
        return world_.run([this, method, request]() -> Task<Result<Reply>> {
            co_return co_await (process_->service.*method)(request);
        });
    }

    // One round of retention, from begin to end.
    void retain() {
        world_.run([this]() -> Task<void> { co_await process_->retention.round(); });
    }
    sim::Node& node() { return *node_; }
    void begin_retaining() {
        world_.spawn([this]() -> Task<void> { co_await process_->retention.round(); });
    }
    // Cuts that are recorded; empty: the stream is not in the list of those with retention.
    std::optional<records::RetentionSetRecord> retention_set(const StreamName& name) const {
        const metadata::Node* node = metadata.peek(store::retention_path(name).node);
        if (node == nullptr) return std::nullopt;
        records::RetentionSetRecord record;
        MR_CHECK(record.ParseFromString(node->value));
        return record;
    }

    bool run_until(UniqueFunction<bool()> done) { return world_.run_until(std::move(done), std::chrono::hours{1}); }
    // No stream has an intent.
    bool at_rest() const {
        for (const std::string& path : metadata.paths()) {
            if (path.starts_with(std::string{store::kIntents} + "/") && path.find('+') != std::string::npos) return false;
        }
        return true;
    }
    bool settle() {
        return run_until([this] { return at_rest(); });
    }

    std::optional<records::StreamRecord> record(const StreamName& name) const {
        const metadata::Node* node = metadata.peek(store::stream_path(name).node);
        if (node == nullptr) return std::nullopt;
        records::StreamRecord record;
        MR_CHECK(record.ParseFromString(node->value));
        return record;
    }

    // ---- Calls, shortened ----

    // The reply of a call that must succeed.
    template <class Reply, class Request>
    Reply ask(Task<Result<Reply>> (service::Service::*method)(Request), Request request) {
        Result<Reply> reply = call(method, std::move(request));
        if (reply) return std::move(*reply);
        ADD_FAILURE() << reply.error().to_string();
        return Reply{};
    }

    void make_scope(const std::string& scope) {
        pb::ScopeInfo info;
        info.set_scope(scope);
        ASSERT_EQ(ask(&service::Service::create_scope, info).status(), pb::CreateScopeStatus::SUCCESS);
    }
    static pb::StreamInfo info(const StreamName& name) { return service::to_info(name); }
    static pb::StreamConfig config(const StreamName& name, int count) {
        pb::StreamConfig config;
        *config.mutable_streaminfo() = info(name);
        config.mutable_scalingpolicy()->set_minnumsegments(count);
        return config;
    }
    pb::CreateStreamStatus::Status create(const StreamName& name, int count) {
        return ask(&service::Service::create_stream, config(name, count)).status();
    }
    pb::UpdateStreamStatus::Status update(const pb::StreamConfig& config) {
        return ask(&service::Service::update_stream, config).status();
    }
    // By segment id.
    using Offsets = std::map<std::int64_t, std::int64_t>;
    static pb::StreamCut cut(const StreamName& name, const Offsets& offsets) {
        pb::StreamCut cut;
        *cut.mutable_streaminfo() = info(name);
        for (const auto& [segment, offset] : offsets) (*cut.mutable_cut())[segment] = offset;
        return cut;
    }
    pb::UpdateStreamStatus::Status truncate(const StreamName& name, const Offsets& offsets) {
        return ask(&service::Service::truncate_stream, cut(name, offsets)).status();
    }
    bool valid(const StreamName& name, const Offsets& offsets) {
        return ask(&service::Service::is_stream_cut_valid, cut(name, offsets)).response();
    }
    Offsets head(const StreamName& name) {
        pb::GetSegmentsRequest request;
        *request.mutable_streaminfo() = info(name);
        Offsets offsets;
        const auto reply = ask(&service::Service::get_segments, request);
        for (const auto& at : reply.segments()) {
            offsets[at.segmentid().segmentid()] = at.offset();
        }
        return offsets;
    }
    static pb::StreamCutRange range(const StreamName& name, const Offsets& from, const Offsets& to) {
        pb::StreamCutRange range;
        *range.mutable_streaminfo() = info(name);
        for (const auto& [segment, offset] : from) (*range.mutable_from())[segment] = offset;
        for (const auto& [segment, offset] : to) (*range.mutable_to())[segment] = offset;
        return range;
    }
    std::vector<std::int64_t> between(const StreamName& name, const Offsets& from, const Offsets& to) {
        std::vector<std::int64_t> ids;
        const auto reply = ask(&service::Service::get_segments_between, range(name, from, to));
        for (const auto& id : reply.segments()) {
            ids.push_back(id.segmentid());
        }
        return ids;
    }
    static pb::ReaderGroupConfiguration group_config(const std::string& group, const std::vector<pb::StreamCut>& from) {
        pb::ReaderGroupConfiguration config;
        config.set_scope("s");
        config.set_readergroupname(group);
        config.set_grouprefreshtimemillis(3000);
        config.set_automaticcheckpointintervalmillis(30'000);
        config.set_maxoutstandingcheckpointrequest(3);
        config.set_generation(-1);
        config.set_readergroupid("00000000-0000-0000-0000-000000000000");
        for (const pb::StreamCut& cut : from) *config.add_startingstreamcuts() = cut;
        return config;
    }
    static pb::ReaderGroupInfo group_info(const std::string& group, const std::string& id = "") {
        pb::ReaderGroupInfo info;
        info.set_scope("s");
        info.set_readergroup(group);
        info.set_readergroupid(id);
        return info;
    }
    pb::UpdateStreamStatus::Status seal(const StreamName& name) {
        return ask(&service::Service::seal_stream, info(name)).status();
    }
    pb::DeleteStreamStatus::Status remove(const StreamName& name) {
        return ask(&service::Service::delete_stream, info(name)).status();
    }
    static pb::ScaleRequest scale_request(const StreamName& name, std::vector<std::int64_t> sealed,
                                          std::vector<KeyRange> ranges) {
        pb::ScaleRequest request;
        *request.mutable_streaminfo() = info(name);
        for (const std::int64_t id : sealed) request.add_sealedsegments(id);
        for (const KeyRange& range : ranges) {
            auto& entry = *request.add_newkeyranges();
            entry.set_start(range.low);
            entry.set_end(range.high);
        }
        return request;
    }
    Result<pb::ScaleResponse> scale(const StreamName& name, std::vector<std::int64_t> sealed, std::vector<KeyRange> ranges) {
        return call(&service::Service::scale, scale_request(name, std::move(sealed), std::move(ranges)));
    }
    pb::ScaleStatusResponse::ScaleStatus check_scale(const StreamName& name, std::int32_t epoch) {
        pb::ScaleStatusRequest request;
        *request.mutable_streaminfo() = info(name);
        request.set_epoch(epoch);
        return ask(&service::Service::check_scale, request).status();
    }
    std::vector<std::int64_t> current(const StreamName& name) {
        std::vector<std::int64_t> ids;
        const auto reply = call(&service::Service::get_current_segments, info(name));
        if (reply) {
            for (const auto& range : reply->segmentranges()) ids.push_back(range.segmentid().segmentid());
        }
        return ids;
    }
    // "id<-pred,pred id<-pred" in order.
    std::string successors(const StreamName& name, std::int64_t segment) {
        pb::SegmentId request;
        *request.mutable_streaminfo() = info(name);
        request.set_segmentid(segment);
        const auto reply = call(&service::Service::get_successors, request);
        if (!reply) return std::string{to_string(reply.error().code())};
        std::string text;
        for (const auto& entry : reply->segments()) {
            if (!text.empty()) text += " ";
            text += std::to_string(entry.segment().segmentid().segmentid()) + "<-";
            for (int i = 0; i < entry.value_size(); ++i) text += (i > 0 ? "," : "") + std::to_string(entry.value(i));
        }
        return text;
    }

    segments::FakeSegments segments;

    sim::World& world() { return world_; }
    service::Service& service() { return process_->service; }
    retention::Retention& retention() { return process_->retention; }

private:
    enum class Effect : std::uint8_t { kNormal, kLost, kUnheard };

    struct Process {
        explicit Process(Cluster& cluster)
            : store{cluster.metadata, cluster.node_->runtime().clock},
              engine{cluster.node_->runtime(), store, cluster.segments},
              retention{cluster.node_->runtime(), store, cluster.segments, engine},
              service{cluster.node_->runtime(), store, cluster.segments, engine, {{"controller", 9090}, {"store", 12345}}} {}
        store::StreamStore store;
        workflow::Engine engine;
        retention::Retention retention;
        service::Service service;
    };

    Effect next_effect() {
        const std::uint64_t effect = effects_++;
        if (!fault_ || effect != fault_->at) return Effect::kNormal;
        if (fault_->dies) {
            crashed_ = true;
            metadata.cut_off(true);
            segments.cut_off = true;
        }
        return fault_->done ? Effect::kUnheard : Effect::kLost;
    }

    void stop() {
        process_->retention.stop();
        process_->engine.stop();
        MR_CHECK(run_until([this] { return ended(); }));
        world_.run([this]() -> Task<void> {
            co_await process_->retention.close();
            co_await process_->engine.close();
        });
        process_.reset();
    }

    // Successors are published before a segment is sealed; nothing is sealed or deleted out of turn.
    void check_order(const std::string& what) {
        const std::size_t blank = what.find(' ');
        const std::string verb = what.substr(0, blank);
        const auto parsed = parse_segment_name(what.substr(blank + 1));
        ASSERT_TRUE(parsed.ok());
        const std::optional<records::StreamRecord> stored = record(parsed->stream);
        ASSERT_TRUE(stored.has_value()) << what << " without a record of the stream";
        if (verb == "seal" && stored->state() == records::StreamRecord::SCALING) {
            EXPECT_TRUE(stored->scale().published()) << what << " before its successors could be found";
            const auto going = store::to_ids(stored->scale().sealed());
            EXPECT_NE(std::find(going.begin(), going.end(), parsed->segment), going.end()) << what;
        } else if (verb == "seal") {
            EXPECT_EQ(stored->state(), records::StreamRecord::SEALING) << what;
        } else if (verb == "remove" && !stored->has_remove()) {
            EXPECT_TRUE(stored->has_truncate()) << what;
            // Whoever asks for the head is no longer sent there.
            const auto head = store::to_ids(stored->head().segments());
            EXPECT_EQ(std::find(head.begin(), head.end(), parsed->segment), head.end()) << what;
        } else if (verb == "truncate") {
            EXPECT_TRUE(stored->has_truncate()) << what;
        }
    }

    sim::Node* node_;
    std::unique_ptr<Process> process_;
    int calls_running_ = 0;
    std::uint64_t effects_ = 0;
    std::optional<Fault> fault_;
    bool crashed_ = false;
};

}  // namespace millrace::controller
