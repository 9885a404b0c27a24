// SPDX-License-Identifier: Apache-2.0
//
// Who may: tokens, and owners that may have been replaced.
#include "segmentstore/server/session_fixture.h"

namespace millrace::segmentstore {
namespace {

// Tokens are a list of words: "read" or "update", "expired", and the one segment for which they are good.
class WordTokens final : public TokenVerifier {
public:
    Result<std::shared_ptr<const Principal>> verify(std::string_view token) const override {
        ++verified;
        if (token.empty()) return Error{ErrorCode::kUnauthenticated, "no token"};
        return std::shared_ptr<const Principal>{std::make_shared<Holder>(token)};
    }
    mutable int verified = 0;

private:
    struct Holder final : Principal {
        explicit Holder(std::string_view token) : words{token} {}
        bool may(Permission permission, std::string_view segment) const override {
            const bool enough = words.find("update") != std::string::npos ||
                                (permission == Permission::kRead && words.find("read") != std::string::npos);
            return enough && words.find(segment) != std::string::npos;
        }
        std::optional<WallTime> expires() const override {
            if (words.find("expired") == std::string::npos) return std::nullopt;
            return WallTime{};
        }
        std::string words;
    };
};

TEST_F(SessionTest, RequestsNeedATokenThatAllowsThem) {
    const WordTokens tokens;
    shared_->tokens = &tokens;
    create_segment();
    Connected& c = connect();
    const std::string segment = kSegment;
    const auto refused = [&](const auto& message, std::int32_t code) {
        send(c, message);
        const auto answer = take_one<wire::AuthTokenCheckFailed>(c);
        EXPECT_EQ(answer.request_id, kRequest);
        EXPECT_EQ(answer.error_code, code);
    };
    const std::string reads = "read " + segment;
    const std::string updates = "update " + segment;
    for (const std::string& token : {std::string{}, std::string{"update s/t/7.#epoch.0"}}) {
        refused(wire::SetupAppend{kRequest, kWriter, segment, token}, 0);
        refused(wire::ReadSegment{segment, 0, 100, token, kRequest}, 0);
        refused(wire::GetStreamSegmentInfo{kRequest, segment, token}, 0);
        refused(wire::GetSegmentAttribute{kRequest, segment, AttributeId{kOther.bytes}, token}, 0);
    }
    for (const std::string& token : {std::string{}, reads}) {
        refused(wire::SetupAppend{kRequest, kWriter, segment, token}, 0);
        refused(wire::CreateSegment{kRequest, segment, 0, 0, token, 0}, 0);
        refused(wire::SealSegment{kRequest, segment, token}, 0);
        refused(wire::TruncateSegment{kRequest, segment, 0, token}, 0);
        refused(wire::DeleteSegment{kRequest, segment, token}, 0);
        refused(wire::UpdateSegmentAttribute{kRequest, segment, AttributeId{kOther.bytes}, 1, -1, token}, 0);
    }
    refused(wire::ReadSegment{segment, 0, 100, "expired " + reads, kRequest}, 1);

    // What a refused writer sends behind its set-up is dropped, and its connection lives.
    send(c, append(1, "dropped"));
    send(c, wire::GetStreamSegmentInfo{kRequest, segment, reads});
    EXPECT_EQ(take_one<wire::StreamSegmentInfo>(c).write_offset, 0);
    send(c, wire::SetupAppend{kRequest, kWriter, segment, updates}, append(2, "kept"));
    EXPECT_EQ(taken(c).size(), 2u);
    EXPECT_EQ(stored(), "kept");
    EXPECT_TRUE(bad_peers_.empty());
}

TEST_F(SessionTest, ATokenIsVerifiedWhenItChanges) {
    const WordTokens tokens;
    shared_->tokens = &tokens;
    create_segment();
    Connected& c = connect();
    const std::string token = std::string{"read "} + kSegment;
    for (int i = 0; i < 5; ++i) send(c, wire::GetStreamSegmentInfo{kRequest, kSegment, token});
    EXPECT_EQ(taken(c).size(), 5u);
    EXPECT_EQ(tokens.verified, 1);
    send(c, wire::GetStreamSegmentInfo{kRequest, kSegment, ""}, wire::GetStreamSegmentInfo{kRequest, kSegment, token});
    EXPECT_EQ(taken(c).size(), 2u);
    EXPECT_EQ(tokens.verified, 3);
}

// Of a container whose log somebody else may take over.
class SharedSessionTest : public SessionTest {
protected:
    SharedSessionTest() : SessionTest{false} {}
};

TEST_F(SharedSessionTest, TellsFactsOnceTheyAreProven) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.hold_confirmations(true);
    send(c, wire::GetStreamSegmentInfo{kRequest, kSegment, ""});
    send(c, read(0, 8, "s/t/9.#epoch.0"));
    EXPECT_TRUE(taken(c).empty());
    log_.hold_confirmations(false);
    const auto messages = taken(c);
    ASSERT_EQ(messages.size(), 2u);
    EXPECT_TRUE(std::holds_alternative<wire::StreamSegmentInfo>(messages[0]));
    EXPECT_TRUE(std::holds_alternative<wire::NoSuchSegment>(messages[1]));
}

TEST_F(SharedSessionTest, AcknowledgesAndServesBytesWithoutProof) {
    create_segment();
    Connected& c = connect();
    set_up(c);
    log_.set_unproven(true);
    send(c, append(1, "hello"));
    (void)take_one<wire::DataAppended>(c);
    send(c, read(0, 8));
    EXPECT_EQ(take_one<wire::SegmentRead>(c).data, Bytes::copy_of("hello"));
}

TEST_F(SharedSessionTest, AReplacedOwnerAnswersNothingMore) {
    create_segment();
    Connected& c = connect();
    log_.set_fenced(true);
    send(c, wire::GetStreamSegmentInfo{kRequest, "s/t/9.#epoch.0", ""});
    send(c, read(0, 8, "s/t/9.#epoch.0"));
    send(c, setup(kWriter, "s/t/9.#epoch.0"));
    EXPECT_TRUE(taken(c).empty());
    EXPECT_TRUE(c.ended);
}

}  // namespace
}  // namespace millrace::segmentstore
