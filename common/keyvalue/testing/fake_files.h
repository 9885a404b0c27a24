// SPDX-License-Identifier: Apache-2.0
//
// The fake engine's files, on the runtime's Disk. A *layer* is batches in order, never changed once written; the manifest
// names the layers and is replaced as a whole, which is what makes a flush happen.
//     layer: magic u32, entries {kind u8, key length u32, value length u32, key, value}, crc32c u32 of all before
//     MANIFEST: magic u32, next layer u64, layers {number u64, size u64, crc32c u32}, crc32c u32 of all before
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

using FakeRows = std::map<std::string, std::string>;

void apply_to(FakeRows& rows, const WriteBatch& batch);

struct FakeLayer {
    std::uint64_t number = 0;
    std::uint64_t size = 0;
    std::uint32_t checksum = 0;

    std::string name() const { return std::to_string(number) + ".layer"; }
};

struct FakeManifest {
    std::uint64_t next_number = 1;
    std::vector<FakeLayer> layers;

    ByteBuffer encode() const;
};

inline constexpr const char* kFakeManifestName = "MANIFEST";

ByteBuffer encode_layer(const WriteBatch& batch);

// Whole files. `memory` of what is written stays until the call ends.
Task<Result<ByteBuffer>> read_whole_file(Disk& disk, std::string path);
Task<Result<void>> write_whole_file(Disk& disk, std::string path, Bytes contents);
// By a second name, so that a crash leaves the old or the new.
Task<Result<void>> replace_file(Disk& disk, std::string directory, std::string name, Bytes contents);

struct FakeState {
    FakeManifest manifest;
    FakeRows rows;
};
// kNotFound: no store. Removes files that the manifest does not name, unless `read_only`.
Task<Result<FakeState>> load_fake(Disk& disk, std::string directory, bool read_only);

}  // namespace millrace::keyvalue
