// SPDX-License-Identifier: Apache-2.0
//
// What a server can be told, by flag, environment or file; docs/settings.md lists it.
#pragma once

#include "common/config/settings_set.h"
#include "common/keyvalue/keyvalue.h"
#include "common/telemetry/http_server.h"
#include "common/telemetry/log.h"
#include "segmentstore/server/segment_store.h"

namespace millrace::cli {

struct ServerSettings : config::SettingsSet {
    using ByteSize = config::ByteSize;
    using Duration = config::Duration;
    using Number = config::Setting<std::uint64_t>;
    using Bytes = config::Setting<ByteSize>;
    using Time = config::Setting<Duration>;
    using Text = config::Setting<std::string>;
    static constexpr Duration kMillisecond = std::chrono::milliseconds{1};
    static constexpr Duration kSecond = std::chrono::seconds{1};
    static constexpr ByteSize kKiB{1 << 10};
    static constexpr ByteSize kMiB{1 << 20};
    static constexpr ByteSize kGiB{1 << 30};
    static constexpr std::uint64_t kPortMax = 65'535;
    static constexpr std::uint64_t kContainersMax = 1024;

    config::Section place{*this, "Place"};
    config::Setting<config::Path> config_file{*this, "config", {}, "A file of settings, 'name = value' a line",
                                         {.placeholder = "FILE"}};
    config::Setting<config::Path> data_dir{*this, "data-dir", {}, "Where everything is kept; made when absent",
                                           {.required = true, .placeholder = "DIR"}};

    config::Section network{*this, "Network"};
    Text bind{*this, "bind", "127.0.0.1", "The address to listen on; there is no authentication yet",
              {.placeholder = "ADDRESS", .allow_empty = false}};
    Text advertise{*this, "advertise", "", "The name or address that clients are told; by default that of bind",
                   {.placeholder = "HOST"}};
    Number controller_port{*this, "controller-port", 9090, "Where clients ask for streams (gRPC); 0: any free one",
                           {.max = kPortMax, .placeholder = "PORT"}};
    Number segmentstore_port{*this, "segmentstore-port", 12345, "Where events go and come from; 0: any free one",
                             {.max = kPortMax, .placeholder = "PORT"}};
    Number http_port{*this, "http-port", 10080, "Where /health and /metrics are; 0: any free one",
                     {.max = kPortMax, .placeholder = "PORT"}};
    Number connections_max{*this, "connections-max", 10'000, "Connections on the data port; further ones are refused",
                           {.min = 1, .max = 1'000'000}};
    Bytes send_queue{*this, "send-queue-bytes", {4 << 20},
                     "Unsent replies of one connection beyond which no more of its requests are taken",
                     {.min = ByteSize{64 << 10}, .max = ByteSize{256 << 20}}};
    Time first_frame{*this, "first-frame-timeout-seconds", 60 * kSecond,
                     "How long a new connection on the data port may say nothing", {.min = kSecond, .max = 3600 * kSecond}};
    Time incomplete{*this, "incomplete-frame-timeout-seconds", 60 * kSecond,
                    "How long a client may leave a frame or a block of events incomplete",
                    {.min = kSecond, .max = 3600 * kSecond}};
    Time stall{*this, "write-stall-timeout-seconds", 60 * kSecond, "How long a client may take nothing of what waits for it",
               {.min = kSecond, .max = 3600 * kSecond}};

    config::Section storage{*this, "Storage"};
    Number containers{*this, "containers", 16, "Parallel parts of the store; fixed when the directory is new",
                      {.min = 1, .max = kContainersMax}};
    Bytes journal_file{*this, "journal-file-bytes", {64 << 20}, "Size of each file of the journal",
                       {.min = ByteSize{4 << 20}, .max = kGiB}};
    Bytes journal_total{*this, "journal-total-bytes-max", {0},
                        "All files of the journal; writers are held back when what waits for long-term storage needs three quarters "
                        "of it. 0: only the disk limits"};
    config::Setting<config::Path> storage_dir{
        *this, "storage-dir", {}, "Long-term storage, a directory of its own; by default 'storage' in data-dir",
        {.placeholder = "DIR"}};
    Bytes tiering_window{*this, "tiering-window-bytes", {64 << 20},
                         "What a container gathers in the journal before it moves it to long-term storage",
                         {.min = ByteSize{64 << 10}, .max = kGiB}};
    Time tiering_age{*this, "tiering-age-max-seconds", 300 * kSecond,
                     "How long the oldest of it waits for that at most", {.min = kSecond, .max = 86'400 * kSecond}};
    Bytes journal_batch{*this, "journal-batch-bytes-max", {2 << 20}, "What one sync of the journal takes at most",
                        {.min = ByteSize{64 << 10}, .max = ByteSize{64 << 20}}};
    Bytes journal_keep_free{*this, "journal-keep-free-bytes", {64 << 20},
                            "Space that is left free on the file system when a journal file is made"};

    Time retention_period{*this, "retention-period-seconds", 60 * kSecond,
                          "How often streams with a retention policy are looked at; their events may stay that much longer",
                          {.min = kSecond, .max = 86'400 * kSecond}};

    config::Section memory{*this, "Memory"};
    Bytes cache{*this, "cache-bytes", {256 << 20}, "Events kept in memory for readers",
                {.min = ByteSize{8 << 20}, .max = ByteSize{64ull << 30}}};
    Bytes admitted{*this, "admitted-bytes-max", {64 << 20},
                   "Events that were accepted and are not on disk yet; beyond, writers are held back",
                   {.min = ByteSize{32 << 20}, .max = ByteSize{16ull << 30}}};
    Bytes received{*this, "receive-memory-bytes", {512 << 20},
                   "Memory for what all connections receive, beyond 16 KiB each",
                   {.min = ByteSize{64 << 20}, .max = ByteSize{64ull << 30}}};
    Bytes unsent{*this, "unsent-memory-bytes", {256 << 20},
                 "Bytes that wait to be sent on all connections together; beyond, reads wait",
                 {.min = ByteSize{16 << 20}, .max = ByteSize{64ull << 30}}};
    Bytes keyvalue_cache{*this, "keyvalue-cache-bytes", {8 << 20}, "Metadata read from disk and kept in memory",
                         {.min = kMiB, .max = ByteSize{64ull << 30}}};
    Bytes keyvalue_buffers{*this, "keyvalue-write-buffers-bytes", {8 << 20},
                           "Metadata in memory that is in its log and not in its files yet",
                           {.min = kMiB, .max = ByteSize{16ull << 30}}};

    config::Section operation{*this, "Operation"};
    config::Setting<config::Choice> log_level{*this, "log-level", config::Choice{"info"}, "What is logged on stderr",
                                              {.words = {"debug", "info", "warn", "error"}}};
    Number http_connections{*this, "http-connections-max", 64, "Connections on the port of /health and /metrics",
                            {.min = 1, .max = 10'000}};
    Time http_request{*this, "http-request-timeout-seconds", 10 * kSecond, "From an HTTP connection to the end of its answer",
                      {.min = 100 * kMillisecond, .max = 600 * kSecond}};
    Time stop_grace{*this, "stop-grace-seconds", 5 * kSecond, "What a stop gives controller calls that are running",
                    {.max = 3600 * kSecond}};

    // REQUIRES: loaded.
    std::string advertised() const { return advertise->empty() ? *bind : *advertise; }
    log_line::Level level() const;
    segmentstore::SegmentStoreOptions segment_store() const;
    keyvalue::EngineOptions engine() const;
    telemetry::HttpServerOptions http() const;

protected:
    Result<void> validate() const override;
};

}  // namespace millrace::cli
