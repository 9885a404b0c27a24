// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_disk.h"

#include <filesystem>

#include "tests/sim/sim_disk_impl.h"

namespace millrace::sim {

std::string clean_path(const std::string& path) {
    std::string clean = std::filesystem::path{path}.lexically_normal().string();
    while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
    return clean;
}

std::string parent_of(const std::string& path) {
    const std::string parent = std::filesystem::path{path}.parent_path().string();
    return parent.empty() ? "." : parent;
}

std::chrono::nanoseconds SimDisk::Impl::latency(std::uint64_t bytes) {
    const auto low = static_cast<std::uint64_t>(options.latency_min.count());
    const auto high = static_cast<std::uint64_t>(options.latency_max.count());
    std::uint64_t micros = random.between(low, high + 1) + bytes / 1024;  // 1 GiB a second
    if (options.slow_one_in > 0 && random.one_in(options.slow_one_in)) micros *= 100;
    // Two halves: the effect lies between them.
    return std::chrono::nanoseconds{micros * 500};
}

void SimDisk::Impl::note(std::string_view what, const std::string& path, std::uint64_t a,
                         std::uint64_t b) {
    trace.note(clock.now(), what, name + ":" + path, a, b);
}

InodePtr SimDisk::Impl::find(const std::string& path) const {
    const auto found = cached_names.find(path);
    return found == cached_names.end() ? nullptr : found->second;
}

std::uint64_t SimDisk::Impl::used() const {
    std::uint64_t sum = 0;
    for (const auto& [path, inode] : cached_names) sum += inode->cached.size();
    return sum;
}

void SimDisk::Impl::take_effect(Inode& inode, Change change) {
    change.number = ++last_change;
    apply(inode.cached, change);
    inode.unsynced.push_back(std::move(change));
}

void SimDisk::Impl::apply(SparseBytes& to, const Change& change) {
    switch (change.kind) {
        case Change::Kind::kWrite:
            to.write(change.offset, change.bytes.view());
            break;
        case Change::Kind::kZero:
            to.zero(change.offset, change.length);
            break;
        case Change::Kind::kResize:
            to.resize(change.offset);
            break;
    }
}

void SimDisk::Impl::apply_in_part(SparseBytes& to, const Change& change, bool also_wholly) {
    const std::uint64_t fate = random.between(also_wholly ? 0 : 1, 4);
    if (fate == 0 || change.kind == Change::Kind::kResize) {
        if (fate != 3) apply(to, change);
        return;
    }
    if (fate == 3) return;
    // One file in two loses a run at its end, the other loses pieces here and there.
    const bool scattered = fate == 2;
    const std::uint64_t step = options.tear_bytes;
    const std::uint64_t end = change.offset + change.length;
    const std::uint64_t survives_to = change.offset + random.between(0, change.length + 1);
    for (std::uint64_t at = change.offset; at < end;) {
        const std::uint64_t piece_end = std::min(end, (at / step + 1) * step);
        const bool survives = scattered ? random.one_in(2) : piece_end <= survives_to;
        if (survives) {
            if (change.kind == Change::Kind::kZero) {
                to.zero(at, piece_end - at);
            } else {
                to.write(at, change.bytes.view().subspan(at - change.offset, piece_end - at));
            }
        }
        at = piece_end;
    }
}

void SimDisk::Impl::apply_name(std::map<std::string, InodePtr>& names, const NameChange& change) {
    if (!change.from.empty()) {
        // The name may have been given to another file since.
        const auto found = names.find(change.from);
        if (found != names.end() && found->second == change.inode) names.erase(found);
    }
    if (!change.to.empty()) names[change.to] = change.inode;
}

void SimDisk::Impl::end_session(SessionState& session) {
    session.alive = false;
    session.locks.clear();
    for (const auto& [inode, change] : session.under_way) {
        // The kernel may have got through a part of it; what it did is in the cache like any write.
        Change piece;
        piece.kind = change->kind;
        const std::uint64_t step = options.tear_bytes;
        const std::uint64_t first = (change->offset + step - 1) / step * step;
        const std::uint64_t end = change->offset + change->length;
        if (change->kind == Change::Kind::kResize || first + step > end) continue;
        const std::uint64_t pieces = (end - first) / step;
        const std::uint64_t begin_piece = random.between(0, pieces);
        const std::uint64_t end_piece = random.between(begin_piece, pieces + 1);
        if (begin_piece == end_piece) continue;
        piece.offset = first + begin_piece * step;
        piece.length = (end_piece - begin_piece) * step;
        // Never beyond what there is room for.
        if (piece.offset + piece.length > inode->cached.size()) continue;
        if (piece.kind == Change::Kind::kWrite) {
            piece.bytes.append(
                change->bytes.view().subspan(piece.offset - change->offset, piece.length));
        }
        take_effect(*inode, std::move(piece));
    }
    session.under_way.clear();
}

void SimDisk::Impl::lose_power() {
    for (const NameChange& change : unsynced_names) {
        if (random.one_in(2)) apply_name(durable_names, change);
    }
    unsynced_names.clear();
    // In the order of names, so that chance does not depend on addresses; a file may have two
    // names.
    std::set<Inode*> seen;
    for (const auto& [path, inode] : durable_names) {
        if (!seen.insert(inode.get()).second) continue;
        for (const Change& change : inode->unsynced) apply_in_part(inode->durable, change, true);
        inode->unsynced.clear();
        inode->cached = inode->durable;
        note("survived", path, inode->durable.size());
    }
    cached_names = durable_names;
}

SimDisk::SimDisk(Seams seams, std::string name, DiskOptions options)
    : impl_{std::make_shared<Impl>(seams, std::move(name), options)} {}
SimDisk::~SimDisk() = default;

DiskOptions& SimDisk::options() { return impl_->options; }
DiskFaults& SimDisk::faults() { return impl_->faults; }
void SimDisk::lose_power() { impl_->lose_power(); }

std::vector<std::string> SimDisk::files() const {
    std::vector<std::string> paths;
    for (const auto& [path, inode] : impl_->cached_names) paths.push_back(path);
    return paths;
}

std::uint64_t SimDisk::used_bytes() const { return impl_->used(); }

namespace {
Inode& must_find(const SimDisk::Impl& impl, const std::string& path) {
    const InodePtr inode = impl.find(clean_path(path));
    MR_CHECK(inode != nullptr);
    return *inode;
}
}  // namespace

ByteBuffer SimDisk::contents(const std::string& path) const {
    const Inode& inode = must_find(*impl_, path);
    ByteBuffer bytes;
    bytes.resize(inode.cached.size());
    inode.cached.read(0, bytes.mutable_view());
    return bytes;
}

void SimDisk::overwrite(const std::string& path, std::uint64_t offset, ByteView bytes) {
    Inode& inode = must_find(*impl_, path);
    inode.cached.write(offset, bytes);
    inode.durable.write(offset, bytes);
}

void SimDisk::flip(const std::string& path, std::uint64_t offset, std::uint8_t mask) {
    Inode& inode = must_find(*impl_, path);
    std::byte byte{};
    MR_CHECK(inode.cached.read(offset, MutableByteView{&byte, 1}) == 1);
    byte ^= std::byte{mask};
    overwrite(path, offset, ByteView{&byte, 1});
}

void SimDisk::cut(const std::string& path, std::uint64_t length) {
    Inode& inode = must_find(*impl_, path);
    inode.cached.resize(length);
    inode.durable.resize(length);
}

void SimDisk::remove(const std::string& path) {
    must_find(*impl_, path);
    impl_->cached_names.erase(clean_path(path));
    impl_->durable_names.erase(clean_path(path));
}

void SimDisk::swap(const std::string& a, const std::string& b) {
    Inode& first = must_find(*impl_, a);
    Inode& second = must_find(*impl_, b);
    std::swap(first.cached, second.cached);
    std::swap(first.durable, second.durable);
}

std::shared_ptr<const SimDisk::Image> SimDisk::image() const {
    auto image = std::make_shared<Image>();
    for (const auto& [path, inode] : impl_->durable_names)
        image->files.emplace(path, inode->durable);
    image->directories = impl_->directories;
    return image;
}

void SimDisk::load(const Image& image) {
    impl_->unsynced_names.clear();
    impl_->durable_names.clear();
    for (const auto& [path, bytes] : image.files) {
        auto inode = std::make_shared<Inode>();
        inode->cached = bytes;
        inode->durable = bytes;
        impl_->durable_names.emplace(path, std::move(inode));
    }
    impl_->cached_names = impl_->durable_names;
    impl_->directories = image.directories;
}

}  // namespace millrace::sim
