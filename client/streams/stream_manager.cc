// SPDX-License-Identifier: Apache-2.0
//
// The public stream manager: StreamAdmin behind the border between threads.
#include <utility>

#include "client/streams/stream_admin.h"

namespace millrace::client {

namespace {

class StreamManagerFace final : public StreamManager {
public:
    explicit StreamManagerFace(ClientCore& client) : client_{client}, admin_{client} {}

    Result<bool> create_scope(const std::string& scope) override {
        return block_on<bool>(client_.home, [this, scope] { return admin_.create_scope(scope); });
    }
    Result<std::vector<std::string>> list_scopes() override {
        return block_on<std::vector<std::string>>(client_.home, [this] { return admin_.list_scopes(); });
    }
    Result<void> delete_scope(const std::string& scope) override {
        return block_on<void>(client_.home, [this, scope] { return admin_.delete_scope(scope); });
    }
    Result<bool> create_stream(const StreamName& stream, const StreamConfig& config) override {
        return block_on<bool>(client_.home, [this, stream, config] { return admin_.create_stream(stream, config); });
    }
    Result<std::vector<std::string>> list_streams(const std::string& scope) override {
        return block_on<std::vector<std::string>>(client_.home, [this, scope] { return admin_.list_streams(scope); });
    }
    Result<StreamDescription> describe(const StreamName& stream) override {
        return block_on<StreamDescription>(client_.home, [this, stream] { return admin_.describe(stream); });
    }
    Result<StreamConfig> configuration(const StreamName& stream) override {
        return block_on<StreamConfig>(client_.home, [this, stream] { return admin_.configuration(stream); });
    }
    Result<std::vector<EpochDescription>> epochs(const StreamName& stream, std::size_t at_most) override {
        return block_on<std::vector<EpochDescription>>(client_.home,
                                                       [this, stream, at_most] { return admin_.epochs(stream, at_most); });
    }
    Result<void> update_configuration(const StreamName& stream, const StreamConfig& config) override {
        return block_on<void>(client_.home, [this, stream, config] { return admin_.update_configuration(stream, config); });
    }
    Result<void> truncate(const StreamName& stream, const Position& begin) override {
        return block_on<void>(client_.home, [this, stream, begin] { return admin_.truncate(stream, begin); });
    }
    Result<void> scale(const StreamName& stream, const std::vector<SegmentId>& sealed,
                       const std::vector<KeyRange>& ranges) override {
        return block_on<void>(client_.home,
                              [this, stream, sealed, ranges] { return admin_.scale(stream, sealed, ranges); });
    }
    Result<void> seal(const StreamName& stream) override {
        return block_on<void>(client_.home, [this, stream] { return admin_.seal(stream); });
    }
    Result<void> remove(const StreamName& stream) override {
        return block_on<void>(client_.home, [this, stream] { return admin_.remove(stream); });
    }
    Result<Position> head(const StreamName& stream) override {
        return block_on<Position>(client_.home, [this, stream] { return admin_.head(stream); });
    }
    Result<Position> tail(const StreamName& stream) override {
        return block_on<Position>(client_.home, [this, stream] { return admin_.tail(stream); });
    }

private:
    ClientCore& client_;
    StreamAdmin admin_;
};

}  // namespace

std::unique_ptr<StreamManager> make_stream_manager(ClientCore& client) {
    return std::make_unique<StreamManagerFace>(client);
}

}  // namespace millrace::client
