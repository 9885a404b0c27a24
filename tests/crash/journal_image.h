// SPDX-License-Identifier: Apache-2.0
//
// The images of journal directories that are tried: for each moment of a life, in classes, everything that a crash may
// leave there as far as the class goes; and what a disk may do to files that were synced.
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/crash/journal_life.h"
#include "tests/crash/journal_session.h"

namespace millrace::crash {

enum class ImageClass : std::uint8_t {
    // After a crash. The start must succeed and keep its promises.
    kPrefix,  // the unsynced writes up to some block, with all names or none
    kSubset,  // every subset of the last blocks
    kTear,    // the last write without a run of sectors at its end or its begin, without one of them, or with one only
    kSector,  // a block that became zeros, ones, noise, or what belongs beside it
    kNames,   // every subset of the last names that were made, moved or removed
    kCache,   // first the process alone dies, and what a start then sees is in the page cache only
    kAgain,   // the start itself dies, at each of its moments
    // Of files that were synced. The start says which file is damaged, or keeps its promises.
    kFlip,  // one bit
    kCut,   // a file ends elsewhere
    kSwap,  // two files have each other's contents, or one is missing
    kCount
};
std::string_view name_of(ImageClass kind);

// What `a` and `b` mean is the class's business.
struct ImageSpec {
    ImageClass kind = ImageClass::kPrefix;
    std::uint32_t life = 0;
    std::uint32_t point = 0;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
};

// A change that is in the page cache only.
struct CachedChange {
    DiskEvent event;
    std::string path;         // of the file that it changes
    sim::SparseBytes synced;  // of a file that is made: what was synced before its name is
};

struct JournalImage {
    sim::SimDisk::Image platters;
    std::vector<CachedChange> cached;
    Bounds bounds;
    // Files that are not as they were synced; empty: whatever is wrong is the journal's fault.
    std::vector<std::string> damaged;
    std::string damage;    // in words
    bool missing = false;  // one of them is
    Losses losses;
    std::optional<UnreadableEntry> unreadable;
};

class JournalImages {
public:
    // `lives` outlive it.
    JournalImages(const std::vector<JournalLife>& lives, const log::JournalMutations& mutations)
        : lives_{lives}, mutations_{mutations} {}

    // Every image there is.
    std::vector<ImageSpec> all() const;
    // In an order in which every beginning has something of all classes, lives and moments.
    static void shuffle(std::vector<ImageSpec>& specs);
    // Empty: the image cannot be made after all (the process that was to die had a broken rule and did not start).
    std::optional<JournalImage> make(const ImageSpec& spec) const;

private:
    const std::vector<JournalLife>& lives_;
    log::JournalMutations mutations_;
};

// In words what is wrong with a start on the image, and with the start after that. Empty: nothing.
struct Verdict {
    std::string violation;
    bool refused = false;  // rightly
};
Verdict judge(const JournalImage& image, const log::JournalMutations& mutations);

}  // namespace millrace::crash
