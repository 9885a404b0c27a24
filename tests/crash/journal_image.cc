// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/journal_image.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/runtime/random.h"
#include "segmentstore/log/journal/format.h"
#include "tests/crash/file_map.h"

namespace millrace::crash {
namespace {

constexpr std::uint64_t kSectorBytes = 512;
constexpr std::size_t kSubsetBlocks = 8;
constexpr std::size_t kSectorBlocks = 16;
constexpr std::size_t kSubsetNames = 6;
constexpr std::uint32_t kAgainMoments = 24;
constexpr std::uint32_t kAgainEvery = 5;  // moments of the first process

enum class Tear : std::uint32_t { kEndsAt, kBeginsAt, kWithout, kOnly, kCount };
enum class Instead : std::uint32_t { kZeros, kOnes, kNoise, kNeighbour, kCount };

void survive_names(ImageBuilder& builder, const CrashPoint& point, std::uint64_t subset) {
    for (std::size_t i = 0; i < point.unsynced_names.size(); ++i) {
        if ((subset >> std::min<std::size_t>(i, 63) & 1) != 0) builder.survive_name(point.unsynced_names[i]);
    }
}

// With all unsynced changes, or with none.
sim::SimDisk::Image image_at(const JournalLife& life, std::size_t at, bool all) {
    const CrashPoint& point = life.points[at];
    ImageBuilder builder{life.trace, point};
    if (all) {
        for (const Piece& piece : pieces_of(life.trace, point, log::kBlockBytes)) builder.survive(piece);
        survive_names(builder, point, UINT64_MAX);
    }
    return builder.image();
}

// The pieces of the last unsynced write in sectors, and the ones before it in `others`.
std::vector<Piece> last_write(const JournalLife& life, const CrashPoint& point, std::vector<Piece>& others) {
    std::vector<Piece> sectors;
    std::size_t last = SIZE_MAX;
    for (const std::size_t event : point.unsynced) {
        if (life.trace.events[event].kind == DiskEvent::Kind::kWrite) last = event;
    }
    for (const Piece& piece : pieces_of(life.trace, point, kSectorBytes))
        (piece.event == last ? sectors : others).push_back(piece);
    return sectors;
}

ByteBuffer instead_of(const JournalLife& life, const Piece& piece, Instead what) {
    const DiskEvent& event = life.trace.events[piece.event];
    ByteBuffer bytes(piece.length);
    SeededRandom noise{piece.offset};
    // The next block of the write, or the one before.
    const std::uint64_t end = event.offset + event.length;
    const bool has_next = piece.offset + 2 * piece.length <= end;
    const std::uint64_t neighbour = has_next                                      ? piece.offset + piece.length
                                    : piece.offset - event.offset >= piece.length ? piece.offset - piece.length
                                                                                  : piece.offset;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = what == Instead::kZeros   ? std::byte{0}
                   : what == Instead::kOnes  ? std::byte{0xff}
                   : what == Instead::kNoise ? static_cast<std::byte>(noise.next())
                                             : event.bytes[neighbour - event.offset + i];
    }
    return bytes;
}

bool just_synced(const JournalLife& life, std::size_t at) {
    return at == life.points.size() - 1 || (at > 0 && life.trace.events[at - 1].kind == DiskEvent::Kind::kSync);
}

// ---- After a crash ----

void make_crashed(const JournalLife& life, const ImageSpec& spec, JournalImage& image) {
    const CrashPoint& point = life.points[spec.point];
    ImageBuilder builder{life.trace, point};
    std::vector<Piece> blocks = pieces_of(life.trace, point, log::kBlockBytes);
    switch (spec.kind) {
        case ImageClass::kPrefix:
            for (std::size_t i = 0; i < spec.a; ++i) builder.survive(blocks[i]);
            survive_names(builder, point, spec.b == 0 ? 0 : UINT64_MAX);
            break;
        case ImageClass::kSubset: {
            const std::size_t chosen = std::min(kSubsetBlocks, blocks.size());
            const std::size_t before = blocks.size() - chosen;
            for (std::size_t i = 0; i < blocks.size(); ++i) {
                if (i < before || (spec.a >> (i - before) & 1) != 0) builder.survive(blocks[i]);
            }
            survive_names(builder, point, spec.b == 0 ? 0 : UINT64_MAX);
            break;
        }
        case ImageClass::kTear: {
            std::vector<Piece> others;
            const std::vector<Piece> sectors = last_write(life, point, others);
            for (const Piece& piece : others) builder.survive(piece);
            for (std::size_t i = 0; i < sectors.size(); ++i) {
                const std::array<bool, 4> survives{i < spec.b, i >= spec.b, i != spec.b, i == spec.b};
                if (survives[spec.a]) builder.survive(sectors[i]);
            }
            survive_names(builder, point, UINT64_MAX);
            break;
        }
        case ImageClass::kSector:
            for (std::size_t i = 0; i < blocks.size(); ++i) {
                if (i != spec.a) {
                    builder.survive(blocks[i]);
                } else {
                    builder.garble(blocks[i], instead_of(life, blocks[i], static_cast<Instead>(spec.b)).view());
                }
            }
            survive_names(builder, point, UINT64_MAX);
            break;
        default: {
            MR_CHECK(spec.kind == ImageClass::kNames);
            if (spec.b != 0) {
                for (const Piece& piece : blocks) builder.survive(piece);
            }
            const std::size_t before =
                point.unsynced_names.size() - std::min(kSubsetNames, point.unsynced_names.size());
            survive_names(builder, point, std::uint64_t{spec.a} << before | ((std::uint64_t{1} << before) - 1));
        }
    }
    image.platters = builder.image();
}

// The first `a` of the unsynced changes, contents and names, in their order.
void make_cached(const JournalLife& life, const ImageSpec& spec, JournalImage& image) {
    const CrashPoint& point = life.points[spec.point];
    image.platters = ImageBuilder{life.trace, point}.image();
    std::vector<std::size_t> changes = point.unsynced;
    changes.insert(changes.end(), point.unsynced_names.begin(), point.unsynced_names.end());
    std::ranges::sort(changes);
    std::map<std::size_t, std::string> paths;
    for (const auto& [path, file] : point.names) paths[file] = path;
    changes.resize(std::min<std::size_t>(changes.size(), spec.a));
    for (const std::size_t change : changes) {
        const DiskEvent& event = life.trace.events[change];
        if (event.kind == DiskEvent::Kind::kName) paths[event.file] = event.to;
        image.cached.push_back({event, paths[event.file], point.contents[event.file]});
    }
}

std::optional<JournalImage> make_again(const JournalLife& life, const ImageSpec& spec,
                                       const log::JournalMutations& mutations) {
    const auto again =
        record_start(image_at(life, spec.point, (spec.a & 1) != 0), past_of(life.histories, spec.point), mutations);
    if (!again) return std::nullopt;
    const std::size_t moment = spec.b * (again->points.size() - 1) / (kAgainMoments - 1);
    JournalImage image;
    image.platters = image_at(*again, moment, (spec.a & 2) != 0);
    image.bounds = again->bounds_at(moment);
    return image;
}

// ---- Damage ----

std::string file_of(const std::string& path) { return path.substr(kJournalDirectory.size() + 1); }

void make_flipped(const JournalLife& life, const ImageSpec& spec, JournalImage& image) {
    image.platters = image_at(life, spec.point, true);
    const FileMap map{image.platters};
    const FlipTarget target = map.flip_targets().at(spec.a);
    sim::SparseBytes& file = image.platters.files.at(target.path);
    std::byte byte{};
    MR_CHECK(file.read(target.offset, MutableByteView{&byte, 1}) == 1);
    byte ^= std::byte{1} << static_cast<int>((target.offset + spec.point) % 8);
    file.write(target.offset, ByteView{&byte, 1});
    image.damaged = {file_of(target.path)};
    image.damage = "a bit of byte " + std::to_string(target.offset) + " of " + file_of(target.path);
    image.losses = map.losses(target.path, target.offset, target.offset + 1);
    image.unreadable = map.entry_at(target.path, target.offset);
}

void make_cut(const JournalLife& life, const ImageSpec& spec, JournalImage& image) {
    image.platters = image_at(life, spec.point, true);
    const FileMap map{image.platters};
    const CutTarget target = map.cut_targets().at(spec.a);
    sim::SparseBytes& file = image.platters.files.at(target.path);
    file.resize(target.bytes);
    image.damaged = {file_of(target.path)};
    image.damage = file_of(target.path) + " ends at " + std::to_string(target.bytes);
    image.losses = map.losses(target.path, target.bytes, UINT64_MAX);
}

void make_swapped(const JournalLife& life, const ImageSpec& spec, JournalImage& image) {
    image.platters = image_at(life, spec.point, true);
    const FileMap map{image.platters};
    const SwapTarget target = map.swap_targets().at(spec.a);
    auto& files = image.platters.files;
    image.damaged = {file_of(target.path)};
    image.damage =
        file_of(target.path) + (target.with.empty() ? " is missing" : " and " + file_of(target.with) + " are swapped");
    if (target.with.empty()) {
        // Only the one before it may know that there was one.
        if (const auto at = files.find(target.path); at != files.begin())
            image.damaged.push_back(file_of(std::prev(at)->first));
        files.erase(target.path);
        image.missing = true;
    } else {
        std::swap(files.at(target.path), files.at(target.with));
        image.damaged.push_back(file_of(target.with));
    }
}

void add_images_of_crash(const JournalLife& life, std::uint32_t number, std::uint32_t at,
                         std::vector<ImageSpec>& specs) {
    const CrashPoint& point = life.points[at];
    const auto blocks = static_cast<std::uint32_t>(pieces_of(life.trace, point, log::kBlockBytes).size());
    const auto names = static_cast<std::uint32_t>(point.unsynced_names.size());
    const std::uint32_t first_b = names == 0 ? 1 : 0;
    const auto add = [&](ImageClass kind, std::uint32_t a, std::uint32_t b) {
        specs.push_back({kind, number, at, a, b});
    };
    for (std::uint32_t b = first_b; b < 2; ++b) {
        for (std::uint32_t a = 0; a <= blocks; ++a) add(ImageClass::kPrefix, a, b);
        const std::uint32_t subsets = 1u << std::min<std::size_t>(kSubsetBlocks, blocks);
        for (std::uint32_t a = 0; blocks > 1 && a < subsets; ++a) add(ImageClass::kSubset, a, b);
    }
    std::vector<Piece> others;
    const auto sectors = static_cast<std::uint32_t>(last_write(life, point, others).size());
    for (std::uint32_t a = 0; a < static_cast<std::uint32_t>(Tear::kCount); ++a) {
        for (std::uint32_t b = 0; b < sectors; ++b) add(ImageClass::kTear, a, b);
    }
    const std::vector<Piece> pieces = pieces_of(life.trace, point, log::kBlockBytes);
    const std::uint32_t begin = blocks - std::min<std::uint32_t>(kSectorBlocks, blocks);
    for (std::uint32_t a = begin; a < blocks; ++a) {
        if (life.trace.events[pieces[a].event].kind != DiskEvent::Kind::kWrite) continue;
        for (std::uint32_t b = 0; b < static_cast<std::uint32_t>(Instead::kCount); ++b) add(ImageClass::kSector, a, b);
    }
    const std::uint32_t name_subsets = 1u << std::min<std::size_t>(kSubsetNames, names);
    for (std::uint32_t a = 0; names > 0 && a < name_subsets; ++a) {
        for (std::uint32_t b = 0; b < 2; ++b) add(ImageClass::kNames, a, b);
    }
    const auto changes = static_cast<std::uint32_t>(point.unsynced.size() + names);
    for (std::uint32_t a = 1; a <= changes; ++a) add(ImageClass::kCache, a, 0);
    for (std::uint32_t a = 0; at % kAgainEvery == 0 && a < 4; ++a) {
        for (std::uint32_t b = 0; b < kAgainMoments; ++b) add(ImageClass::kAgain, a, b);
    }
}

void add_damaged_images(const JournalLife& life, std::uint32_t number, std::uint32_t at,
                        std::vector<ImageSpec>& specs) {
    const FileMap map{image_at(life, at, true)};
    const auto add = [&](ImageClass kind, std::size_t count) {
        for (std::uint32_t a = 0; a < count; ++a) specs.push_back({kind, number, at, a, 0});
    };
    add(ImageClass::kFlip, map.flip_targets().size());
    add(ImageClass::kCut, map.cut_targets().size());
    add(ImageClass::kSwap, map.swap_targets().size());
}

}  // namespace

std::string_view name_of(ImageClass kind) {
    constexpr std::array<std::string_view, static_cast<std::size_t>(ImageClass::kCount)> kNames{
        "prefix", "subset", "tear", "sector", "names", "cache", "again", "flip", "cut", "swap"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::vector<ImageSpec> JournalImages::all() const {
    std::vector<ImageSpec> specs;
    for (std::uint32_t life = 0; life < lives_.size(); ++life) {
        for (std::uint32_t at = 0; at < lives_[life].points.size(); ++at) {
            add_images_of_crash(lives_[life], life, at, specs);
            if (just_synced(lives_[life], at)) add_damaged_images(lives_[life], life, at, specs);
        }
    }
    return specs;
}

void JournalImages::shuffle(std::vector<ImageSpec>& specs) {
    std::array<std::vector<ImageSpec>, static_cast<std::size_t>(ImageClass::kCount)> classes;
    for (const ImageSpec& spec : specs) classes[static_cast<std::size_t>(spec.kind)].push_back(spec);
    SeededRandom random{1};
    for (auto& some : classes) {
        for (std::size_t i = some.size(); i > 1; --i) std::swap(some[i - 1], some[random.between(0, i)]);
    }
    // One of each in turn, as long as there are any.
    const std::size_t count = specs.size();
    specs.clear();
    for (std::size_t turn = 0; specs.size() < count; ++turn) {
        for (const auto& some : classes) {
            if (turn < some.size()) specs.push_back(some[turn]);
        }
    }
}

std::optional<JournalImage> JournalImages::make(const ImageSpec& spec) const {
    const JournalLife& life = lives_.at(spec.life);
    JournalImage image;
    image.bounds = life.bounds_at(spec.point);
    switch (spec.kind) {
        case ImageClass::kCache:
            make_cached(life, spec, image);
            break;
        case ImageClass::kAgain:
            return make_again(life, spec, mutations_);
        case ImageClass::kFlip:
            make_flipped(life, spec, image);
            break;
        case ImageClass::kCut:
            make_cut(life, spec, image);
            break;
        case ImageClass::kSwap:
            make_swapped(life, spec, image);
            break;
        default:
            make_crashed(life, spec, image);
    }
    return image;
}

}  // namespace millrace::crash
