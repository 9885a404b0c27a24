// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever a metadata ensemble does to connections, reads and events, every call is answered with the truth, and once.
// Method: callers take streams of their own through their lives on the simulated ensemble at its worst (sessions live). Each
// knows what every answer must be, because nobody else touches its stream.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/metadata/testing/simulated_ensemble.h"
#include "controller/segments/testing/fake_segments.h"
#include "controller/service/service.h"
#include "tests/sim/seeded_test.h"
#include "tests/sim/world.h"

namespace millrace::controller {
namespace {

namespace pb = service::pb;

class HostileMetadata : public sim::SeededTest {
protected:
    struct Process {
        Process(Runtime runtime, metadata::MetadataStore& metadata, segments::Segments& segments)
            : store{metadata, runtime.clock},
              engine{runtime, store, segments},
              service{runtime, store, segments, engine, {{"controller", 9090}, {"store", 12345}}} {}
        store::StreamStore store;
        workflow::Engine engine;
        service::Service service;
    };

    static pb::StreamConfig config(const StreamName& name) {
        pb::StreamConfig config;
        *config.mutable_streaminfo() = service::to_info(name);
        config.mutable_scalingpolicy()->set_minnumsegments(1);
        config.mutable_tags()->add_tag(name.stream);
        return config;
    }
    static pb::ScaleRequest split(const StreamName& name, std::int64_t segment) {
        pb::ScaleRequest request;
        *request.mutable_streaminfo() = service::to_info(name);
        request.add_sealedsegments(segment);
        for (const double start : {0.0, 0.5}) {
            auto& range = *request.add_newkeyranges();
            range.set_start(start);
            range.set_end(start + 0.5);
        }
        return request;
    }

    static Task<void> one_life(service::Service& service, Clock& clock, StreamName name) {
        for (int life = 0; life < 2; ++life) {
            const auto created = co_await service.create_stream(config(name));
            EXPECT_TRUE(created && created->status() == pb::CreateStreamStatus::SUCCESS) << name.to_string();
            const auto again = co_await service.create_stream(config(name));
            EXPECT_TRUE(again && again->status() == pb::CreateStreamStatus::STREAM_EXISTS) << name.to_string();
            pb::StreamsInScopeWithTagRequest tag;
            tag.mutable_scope()->set_scope(name.scope);
            tag.set_tag(name.stream);
            const auto tagged = co_await service.list_streams_in_scope_for_tag(tag);
            EXPECT_TRUE(tagged && tagged->streams_size() == 1 && tagged->streams(0).stream() == name.stream) << name.to_string();
            const auto current = co_await service.get_current_segments(service::to_info(name));
            EXPECT_TRUE(current && current->segmentranges_size() == 1);
            if (!current || current->segmentranges_size() != 1) co_return;
            const std::int64_t first = current->segmentranges(0).segmentid().segmentid();
            EXPECT_EQ(first, 3 * life) << "numbers go on, and no number is used twice";
            const auto scaled = co_await service.scale(split(name, first));
            EXPECT_TRUE(scaled && scaled->status() == pb::ScaleResponse::STARTED) << name.to_string();
            pb::ScaleStatusRequest asked;
            *asked.mutable_streaminfo() = service::to_info(name);
            for (auto status = pb::ScaleStatusResponse::IN_PROGRESS; status != pb::ScaleStatusResponse::SUCCESS;) {
                const auto checked = co_await service.check_scale(asked);
                EXPECT_TRUE(checked.ok());
                status = checked->status();
                if (status == pb::ScaleStatusResponse::IN_PROGRESS) co_await sleep_for(clock, std::chrono::milliseconds{20});
                else if (status != pb::ScaleStatusResponse::SUCCESS) co_return ADD_FAILURE() << "scale status " << status;
            }
            pb::StreamCut cut;
            *cut.mutable_streaminfo() = service::to_info(name);
            for (const auto& segment : scaled->segments()) (*cut.mutable_cut())[segment.segmentid().segmentid()] = 0;
            const auto truncated = co_await service.truncate_stream(cut);
            EXPECT_TRUE(truncated && truncated->status() == pb::UpdateStreamStatus::SUCCESS) << name.to_string();
            pb::StreamConfig wanted = config(name);
            wanted.set_rolloversizebytes(4096);
            wanted.mutable_scalingpolicy()->set_minnumsegments(2);
            const auto updated = co_await service.update_stream(wanted);
            EXPECT_TRUE(updated && updated->status() == pb::UpdateStreamStatus::SUCCESS) << name.to_string();
            const auto marks = co_await service.get_current_segments(service::to_info({name.scope, "_MARK" + name.stream}));
            EXPECT_TRUE(marks && marks->segmentranges_size() == 1) << name.to_string();
            pb::ReaderGroupConfiguration group;
            group.set_scope(name.scope);
            group.set_readergroupname(name.stream);
            group.set_maxoutstandingcheckpointrequest(1);
            *group.add_startingstreamcuts()->mutable_streaminfo() = service::to_info(name);
            const auto made = co_await service.create_reader_group(group);
            EXPECT_TRUE(made && made->status() == pb::CreateReaderGroupResponse::SUCCESS) << name.to_string();
            if (!made) co_return;
            const auto renewed = co_await service.update_reader_group(made->config());
            EXPECT_TRUE(renewed && renewed->generation() == 1) << name.to_string();
            pb::ReaderGroupInfo which;
            which.set_scope(name.scope);
            which.set_readergroup(name.stream);
            which.set_readergroupid(made->config().readergroupid());
            const auto disbanded = co_await service.delete_reader_group(which);
            EXPECT_TRUE(disbanded && disbanded->status() == pb::DeleteReaderGroupStatus::SUCCESS) << name.to_string();

            const auto sealed = co_await service.seal_stream(service::to_info(name));
            EXPECT_TRUE(sealed && sealed->status() == pb::UpdateStreamStatus::SUCCESS) << name.to_string();
            const auto removed = co_await service.delete_stream(service::to_info(name));
            EXPECT_TRUE(removed && removed->status() == pb::DeleteStreamStatus::SUCCESS) << name.to_string();
            const auto gone = co_await service.delete_stream(service::to_info(name));
            EXPECT_TRUE(gone && gone->status() == pb::DeleteStreamStatus::STREAM_NOT_FOUND) << name.to_string();
        }
    }
};

TEST_P(HostileMetadata, EveryCallIsAnsweredWithTheTruth) {
    sim::World world{seed()};
    metadata::SimulatedEnsemble ensemble{world.executor(), world.clock(), world.fork_seed(),
                                         metadata::SimulatedOptions::hostile(world.random())};
    ensemble.options().break_one_in = static_cast<std::uint32_t>(world.random().between(10, 60));
    sim::Node& node = world.add_node("controller");
    segments::FakeSegments segments;
    auto session = world.run([&]() -> Task<std::unique_ptr<metadata::SimulatedMetadataStore>> {
        for (;;) {
            auto opened = co_await ensemble.open(node.runtime());
            if (opened) co_return std::move(*opened);
        }
    });
    Process process{node.runtime(), *session, segments};
    world.run([&]() -> Task<void> {
        EXPECT_TRUE((co_await process.store.open()).ok());
        pb::ScopeInfo scope;
        scope.set_scope("s");
        const auto made = co_await process.service.create_scope(scope);
        EXPECT_TRUE(made && made->status() == pb::CreateScopeStatus::SUCCESS);
        const auto again = co_await process.service.create_scope(scope);
        EXPECT_TRUE(again && again->status() == pb::CreateScopeStatus::SCOPE_EXISTS);
    });
    int running = 3;
    for (int i = 0; i < 3; ++i) {
        world.spawn([&process, &world, &running, i]() -> Task<void> {
            co_await one_life(process.service, world.clock(), {"s", "x" + std::to_string(i)});
            --running;
        });
    }
    ASSERT_TRUE(world.run_until([&running] { return running == 0; }, std::chrono::hours{1}));
    world.run([&]() -> Task<void> {
        pb::ScopeInfo scope;
        scope.set_scope("s");
        const auto removed = co_await process.service.delete_scope(scope);
        EXPECT_TRUE(removed && removed->status() == pb::DeleteScopeStatus::SUCCESS);
        process.engine.stop();
        co_await process.engine.close();
        ensemble.calm();
        co_await session->close();
    });
    EXPECT_TRUE(segments.segments.empty());
    EXPECT_GT(ensemble.breaks(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HostileMetadata, sim::seeds(), sim::seed_name);

}  // namespace
}  // namespace millrace::controller
