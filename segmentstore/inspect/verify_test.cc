// SPDX-License-Identifier: Apache-2.0
//
// A small store is written, closed, damaged in one place, and looked at.
#include "segmentstore/inspect/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "segmentstore/log/journal/journal.h"
#include "segmentstore/server/store_format.h"
#include "segmentstore/tiering/object_format.h"
#include "tests/sim/world.h"

namespace millrace::inspect {
namespace {

using namespace std::chrono_literals;  // NOLINT
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kTiered = "scope/stream/0.#epoch.0";
constexpr const char* kLogged = "scope/stream/1.#epoch.0";
const StorePlace kPlace{"/data", ""};

WriterId writer_id() {
    WriterId id;
    id.bytes[0] = std::byte{1};
    return id;
}

class VerifyTest : public ::testing::Test {
protected:
    // Two containers of which one has bytes in long-term storage and in the log, the other in the log only.
    void SetUp() override {
        ASSERT_TRUE(world.run([&] { return node.runtime().disk.create_directories("/data/storage"); }).ok());
        auto storage = world.run([&] { return segmentstore::open_store(node.runtime(), "/data", "/data/storage", 2); });
        ASSERT_TRUE(storage.ok()) << storage.error().to_string();
        log::JournalOptions options;
        options.directory = "/data/journal";
        options.file_bytes = 1024 * 1024;
        options.keep_free_bytes = 0;
        auto journal = world.run([&] { return log::Journal::open(node.runtime(), options); });
        ASSERT_TRUE(journal.ok()) << journal.error().to_string();
        fill(**journal, ContainerId{0}, storage->storage.get(), kTiered);
        fill(**journal, ContainerId{1}, nullptr, kLogged);
        world.run([&] { return (*journal)->close(); });
    }

    void fill(log::Journal& journal, ContainerId id, storage::ObjectStorage* storage, const char* name) {
        auto log = world.run([&] { return journal.take_over(id); });
        ASSERT_TRUE(log.ok());
        container::AdmissionCredits credits{64 * 1024 * 1024};
        container::DataCache cache{8 * 1024 * 1024};
        container::ContainerOptions options;
        options.id = id;
        options.storage = storage;
        options.tiering.window_bytes = 64 * 1024;
        container::Container filled{node.runtime().executor, node.runtime().clock, **log, credits, cache, options, [](Error) {}};
        ASSERT_TRUE(world.run([&] { return filled.recover(); }).ok());
        ASSERT_EQ(filled.create(name, {}).status, container::Status::kOk);
        const auto setup = filled.setup_append(name, writer_id());
        const std::string data(20'000, 'x');
        for (std::int64_t number = 1; number <= 5; ++number) {
            const std::vector<Bytes> pieces{Bytes::copy_of(data)};
            const auto appended = filled.append(setup.handle, container::EventNumbers::of_one_append(number, 1), pieces);
            ASSERT_EQ(appended.status, container::Status::kOk);
            ASSERT_TRUE(world.run_until([&] { return filled.settled(appended.depends_on); }, 10s));
        }
        if (storage != nullptr) {
            ASSERT_TRUE(world.run_until([&] { return filled.counts().snapshots >= 1; }, 60s));
        }
        world.run([&] { return filled.close(); });
        world.run([&] { return (*log)->close(); });
    }

    VerifyReport report() {
        return world.run([&] { return verify(node.runtime(), kPlace); });
    }
    // The data object comes before the snapshot, which is of the same epoch.
    std::string object(std::size_t place) const {
        std::vector<std::string> objects;
        for (const std::string& file : node.disk().files()) {
            if (file.starts_with("/data/storage/0")) objects.push_back(file);
        }
        return objects.at(place);
    }
    std::string journal_file() const {
        for (const std::string& file : node.disk().files()) {
            if (file.starts_with("/data/journal/") && file.ends_with(".wal")) return file;
        }
        return {};
    }

    sim::World world{1};
    sim::Node& node{world.add_node("store")};
};

TEST_F(VerifyTest, AWholeStoreIsClean) {
    const VerifyReport clean = report();
    EXPECT_THAT(clean.damage, IsEmpty());
    EXPECT_THAT(clean.remarks, IsEmpty());
    EXPECT_EQ(clean.containers, 2u);
    EXPECT_EQ(clean.segments, 2u);
    EXPECT_EQ(clean.objects, 2u);
    EXPECT_GT(clean.object_bytes, 60'000u);
}

TEST_F(VerifyTest, LookingChangesNothing) {
    std::vector<std::pair<std::string, std::string>> before, after;
    const auto note = [&](auto& into) {
        for (const std::string& file : node.disk().files()) into.emplace_back(file, as_text(node.disk().contents(file).view()));
    };
    note(before);
    EXPECT_TRUE(report().clean());
    note(after);
    EXPECT_EQ(before, after);
}

TEST_F(VerifyTest, AFlippedBitInTheDataIsNamed) {
    node.disk().flip(object(0), 30'000, 0x10);
    EXPECT_THAT(report().damage, ElementsAre(HasSubstr(object(0).substr(sizeof("/data/storage/") - 1))));
}

TEST_F(VerifyTest, AFlippedBitInAFooterIsNamed) {
    node.disk().flip(object(0), node.disk().contents(object(0)).size() - 70, 1);
    EXPECT_THAT(report().damage, ElementsAre(HasSubstr("object 00000000/")));
}

TEST_F(VerifyTest, AFlippedBitInASnapshotConcernsItsContainerOnly) {
    node.disk().flip(object(1), 70, 1);
    const VerifyReport damaged = report();
    EXPECT_THAT(damaged.damage, ElementsAre(AllOf(HasSubstr("container 0"), HasSubstr("snapshot")), HasSubstr("object 00000000/")));
    EXPECT_EQ(damaged.containers, 1u);
}

TEST_F(VerifyTest, AMissingObjectIsNamedWithWhatWasInIt) {
    node.disk().remove(object(0));
    EXPECT_THAT(report().damage, ElementsAre(AllOf(HasSubstr("missing"), HasSubstr(kTiered), HasSubstr("offset 0"))));
}

TEST_F(VerifyTest, AnObjectUnderAnothersNameIsNamed) {
    node.disk().swap(object(0), object(1));
    EXPECT_FALSE(report().clean());
}

TEST_F(VerifyTest, AnObjectThatNothingRefersToIsARemark) {
    const std::string path = object(0);
    const std::string stray = path.substr(0, path.size() - 1) + "f";
    auto name = storage::ObjectName::parse(stray.substr(sizeof("/data/storage/") - 1));
    ASSERT_TRUE(name.ok());
    auto storage = world.run([&] { return storage::FileStorage::open(node.runtime(), "/data/storage"); });
    auto writer = world.run([&] { return (*storage)->create(*name); });
    ASSERT_TRUE(writer.ok());
    const ByteBuffer header = tiering::encode_object_header({tiering::ObjectKind::kData, *name});
    const ByteBuffer end = tiering::encode_object_end({}, header.size());
    ASSERT_TRUE(world.run([&] { return (*writer)->append({Bytes::copy_of(header.view()), Bytes::copy_of(end.view())}); }).ok());
    ASSERT_TRUE(world.run([&] { return (*writer)->finish(); }).ok());
    const VerifyReport with_stray = report();
    EXPECT_THAT(with_stray.damage, IsEmpty());
    EXPECT_THAT(with_stray.remarks, ElementsAre(HasSubstr(name->to_string())));
}

TEST_F(VerifyTest, ADamagedJournalIsNamedAndTheObjectsAreCheckedAllTheSame) {
    node.disk().flip(journal_file(), 8192 + 70, 1);
    node.disk().flip(object(0), 30'000, 0x10);
    EXPECT_THAT(report().damage, ElementsAre(HasSubstr(journal_file() + " is damaged at offset 8192"), HasSubstr("object 00000000/")));
}

TEST_F(VerifyTest, ADirectoryThatIsNoStoreIsNamed) {
    const VerifyReport nothing = world.run([&] { return verify(node.runtime(), {"/elsewhere", ""}); });
    EXPECT_THAT(nothing.damage, ElementsAre(HasSubstr("/elsewhere/segmentstore.format"), HasSubstr("/elsewhere/storage")));
}

}  // namespace
}  // namespace millrace::inspect
