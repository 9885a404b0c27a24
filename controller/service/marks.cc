// SPDX-License-Identifier: Apache-2.0
//
// Streams of marks, made when they are first asked for.
#include "common/telemetry/log.h"
#include "controller/service/decisions.h"
#include "controller/service/service.h"
#include "controller/stream/companions.h"

namespace millrace::controller::service {

Task<Result<store::StoredStream>> Service::existing(StreamName name) {
    Result<store::StoredStream> stream = co_await store_.load(name);
    const std::optional<StreamName> marked = stream::marked_by(name);
    const bool half_made = stream && stream->record.state() == StreamRecord::CREATING;
    if (!marked || (stream && !half_made) || (!stream && !stream.error().is(ErrorCode::kNotFound))) co_return stream;
    if (!stream) {
        MR_CO_TRY_VOID(co_await make_marks(name, *marked));
    }
    MR_CO_TRY_VOID(co_await engine_.settled(name, workflow_deadline()));
    co_return co_await store_.load(name);
}

Task<Result<void>> Service::make_marks(StreamName name, StreamName marked) {
    records::ConfigRecord config;
    config.set_min_segments(1);
    const StreamRecord record = new_stream(config);
    std::optional<Error> last;
    for (int attempt = 0; attempt < kStreamAttempts; ++attempt) {
        Result<store::StoredStream> owner = co_await store_.load(marked);
        if (!owner && !owner.error().is(ErrorCode::kNotFound)) co_return std::move(owner).error();
        // Its deletion looks for marks once: none may come after that.
        if (!owner || owner->record.has_remove())
            co_return Error{ErrorCode::kNotFound, "no stream '" + name.to_string() + "'"};
        const Result<void> made = co_await store_.create_with(name, record, 1, marked, std::move(*owner));
        if (made || made.error().is(ErrorCode::kAlreadyExists)) co_return ok();
        if (!decide_again(made.error())) co_return made.error();
        last = made.error();
    }
    co_return gave_up(name, last);
}

}  // namespace millrace::controller::service
