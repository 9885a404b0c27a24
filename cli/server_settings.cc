// SPDX-License-Identifier: Apache-2.0
#include "cli/server_settings.h"

#include <array>

namespace millrace::cli {

Result<void> ServerSettings::validate() const {
    if (advertise->empty() && (*bind == "0.0.0.0" || *bind == "::")) {
        return Error{ErrorCode::kInvalidArgument,
                     bind.culprit() + " needs --advertise HOST, the name or address that clients connect to"};
    }
    const std::array<const Number*, 3> ports{&controller_port, &segmentstore_port, &http_port};
    for (std::size_t i = 0; i < ports.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (**ports[i] != 0 && **ports[i] == **ports[j]) {
                return conflict(*ports[j], *ports[i], "the ports should differ");
            }
        }
    }
    // A start makes a file whatever the limit is, and appends need another one beside the one that fills up.
    if (journal_total->bytes != 0 && journal_total->bytes < 2 * journal_file->bytes) {
        return conflict(journal_total, journal_file, "the journal should have room for two files");
    }
    if (*journal_batch > *admitted) {
        return conflict(journal_batch, admitted, "no sync can take more than may wait for it");
    }
    if (*journal_batch > ByteSize{journal_file->bytes / 2}) {
        return conflict(journal_batch, journal_file, "one sync should take at most half of a file");
    }
    return ok();
}

log_line::Level ServerSettings::level() const {
    using Level = log_line::Level;
    if (log_level->word == "debug") return Level::kDebug;
    if (log_level->word == "warn") return Level::kWarn;
    if (log_level->word == "error") return Level::kError;
    return Level::kInfo;
}

segmentstore::SegmentStoreOptions ServerSettings::segment_store() const {
    segmentstore::SegmentStoreOptions options;
    options.data_directory = data_dir->text;
    options.listen = {.host = *bind, .port = static_cast<std::uint16_t>(*segmentstore_port)};
    options.containers = static_cast<std::uint32_t>(*containers);
    options.cache_bytes = cache->bytes;
    options.journal_file_bytes = journal_file->bytes;
    options.journal_total_bytes_max = journal_total->bytes;
    options.storage_directory = storage_dir->text;
    options.tiering_window_bytes = tiering_window->bytes;
    options.tiering_age_max = *tiering_age;
    options.journal_batch_bytes_max = journal_batch->bytes;
    options.journal_keep_free_bytes = journal_keep_free->bytes;
    options.connections_max = *connections_max;
    options.admitted_bytes_max = admitted->bytes;
    options.received_bytes_max = received->bytes;
    options.unsent_bytes_max = unsent->bytes;
    options.send_queue_bytes = send_queue->bytes;
    options.first_frame_limit = *first_frame;
    options.incomplete_limit = *incomplete;
    options.stall_limit = *stall;
    return options;
}

keyvalue::EngineOptions ServerSettings::engine() const {
    keyvalue::EngineOptions options;
    options.cache_bytes = keyvalue_cache->bytes;
    options.write_buffers_bytes = keyvalue_buffers->bytes;
    return options;
}

telemetry::HttpServerOptions ServerSettings::http() const {
    telemetry::HttpServerOptions options;
    options.connections_max = *http_connections;
    options.request_time = *http_request;
    return options;
}

}  // namespace millrace::cli
