// SPDX-License-Identifier: Apache-2.0
//
// A picture is made in two steps: a grid of segment ids, key rows by epochs, and then lines wherever two
// neighbours differ.
#include "cli/epoch_picture.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

namespace millrace::cli {
namespace {

constexpr std::size_t kColumnsLeast = 20;
constexpr std::size_t kLinesLeast = 8;
constexpr std::size_t kKeyWidth = 9;  // "0.002333"
// The heading, and the two lines below that may say what is left out.
constexpr std::size_t kOtherLines = 4;

// The arms of a corner.
enum Arm : unsigned { kUp = 1, kDown = 2, kLeft = 4, kRight = 8 };

std::string_view corner(unsigned arms, bool unicode) {
    constexpr std::array<std::string_view, 16> kUnicode{" ", "│", "│", "│", "─", "┘", "┐", "┤",
                                                        "─", "└", "┌", "├", "─", "┴", "┬", "┼"};
    constexpr std::array<std::string_view, 16> kAscii{" ", "|", "|", "|", "-", "+", "+", "+",
                                                      "-", "+", "+", "+", "-", "+", "+", "+"};
    return unicode ? kUnicode[arms] : kAscii[arms];
}

std::string label_of(SegmentId id) { return std::to_string(id.epoch().number()) + "." + std::to_string(id.number()); }

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

// As many digits as the column has.
std::string spell_key(double key) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", key);
    return text;
}

SegmentId segment_at(const EpochDescription& epoch, double key) {
    for (const EpochSegment& segment : epoch.segments) {
        if (segment.range.contains(key)) return segment.id;
    }
    return {};
}

class Picture {
public:
    Picture(const std::vector<EpochDescription>& epochs, const PictureFrame& frame)
        : all_{epochs},
          frame_{frame},
          columns_{std::max(frame.columns, kColumnsLeast)},
          lines_{std::max(frame.lines, kLinesLeast)} {
        choose_epochs();
        choose_rows();
        for (const double key : rows_) {
            auto& row = grid_.emplace_back();
            for (std::size_t e = first_; e < all_.size(); ++e) row.push_back(segment_at(all_[e], key));
        }
    }

    std::string draw() const {
        std::string text = heading();
        for (std::size_t row = 0; row <= rows_.size(); ++row) {
            text += '\n' + border(row);
            if (row < rows_.size()) text += '\n' + content(row);
        }
        return text + left_out();
    }

private:
    void choose_epochs() {
        std::size_t widest = std::to_string(all_.back().epoch.number()).size();
        for (const EpochDescription& epoch : all_) {
            for (const EpochSegment& segment : epoch.segments) widest = std::max(widest, label_of(segment.id).size());
        }
        cell_ = widest + 2;  // a blank on each side
        const std::size_t fit = std::max<std::size_t>((columns_ - kKeyWidth - 1) / (cell_ + 1), 1);
        first_ = all_.size() - std::min(all_.size(), fit);
    }

    // A row is a stretch of keys that no epoch shown divides.
    void choose_rows() {
        std::set<double> bounds;
        for (std::size_t e = first_; e < all_.size(); ++e) {
            for (const EpochSegment& segment : all_[e].segments) bounds.insert(segment.range.low);
        }
        const std::vector<double> every{bounds.begin(), bounds.end()};
        rows_of_all_ = every.size();
        const std::size_t fit = (lines_ - kOtherLines - 1) / 2;
        if (every.size() <= fit) {
            rows_ = every;
            return;
        }
        // The first and the last, and the others evenly between them.
        for (std::size_t i = 0; i < fit; ++i) rows_.push_back(every[fit == 1 ? 0 : i * (every.size() - 1) / (fit - 1)]);
    }

    std::size_t shown() const { return all_.size() - first_; }

    std::string heading() const {
        std::string text = padded("epoch", kKeyWidth) + " ";
        for (std::size_t e = first_; e < all_.size(); ++e) {
            text += padded(" " + std::to_string(all_[e].epoch.number()), cell_ + 1);
        }
        return trimmed(std::move(text));
    }

    // Whether a line stands between two epochs, to the left of column `e`, in this row.
    bool upright(std::size_t row, std::size_t e) const {
        if (e == 0) return grid_[row][0].epoch() >= all_[first_].epoch;
        if (e == shown()) return frame_.sealed;
        return grid_[row][e] != grid_[row][e - 1];
    }
    // Whether a line stands above this row in column `e`.
    bool level(std::size_t row, std::size_t e) const {
        if (row == 0 || row == rows_.size()) return true;
        return grid_[row][e] != grid_[row - 1][e];
    }

    std::string border(std::size_t row) const {
        std::string text = padded(row == rows_.size() ? "1" : spell_key(rows_[row]), kKeyWidth);
        for (std::size_t e = 0; e <= shown(); ++e) {
            unsigned arms = 0;
            if (row > 0 && upright(row - 1, e)) arms |= kUp;
            if (row < rows_.size() && upright(row, e)) arms |= kDown;
            if (e > 0 && level(row, e - 1)) arms |= kLeft;
            if (e < shown() && level(row, e)) arms |= kRight;
            text += corner(arms, frame_.unicode);
            for (std::size_t i = 0; e < shown() && i < cell_; ++i) {
                text += corner(level(row, e) ? kLeft | kRight : 0, frame_.unicode);
            }
        }
        return trimmed(std::move(text));
    }

    std::string content(std::size_t row) const {
        std::string text(kKeyWidth, ' ');
        for (std::size_t e = 0; e <= shown(); ++e) {
            text += corner(upright(row, e) ? kUp | kDown : 0, frame_.unicode);
            if (e == shown()) break;
            // Named once, where the box begins.
            const bool begins = (e == 0 || upright(row, e)) && (row == 0 || level(row, e));
            text += padded(begins ? " " + label_of(grid_[row][e]) : "", cell_);
        }
        return trimmed(std::move(text));
    }

    std::string left_out() const {
        std::string text;
        const auto before = all_[first_].epoch.number();
        if (before > 0)
            text +=
                "\n" + std::to_string(before) + (before == 1 ? " older epoch is" : " older epochs are") + " left out";
        if (rows_.size() < rows_of_all_) {
            text +=
                "\n" + std::to_string(rows_.size()) + " of " + std::to_string(rows_of_all_) + " key ranges are shown";
        }
        return text;
    }

    static std::string trimmed(std::string text) {
        text.erase(text.find_last_not_of(' ') + 1);
        return text;
    }

    const std::vector<EpochDescription>& all_;
    const PictureFrame& frame_;
    const std::size_t columns_;
    const std::size_t lines_;
    std::size_t cell_ = 0;      // the width of an epoch's column, without its line
    std::size_t first_ = 0;     // of the epochs shown, in all_
    std::vector<double> rows_;  // the lowest key of each row shown
    std::size_t rows_of_all_ = 0;
    std::vector<std::vector<SegmentId>> grid_;  // by row and epoch shown
};

}  // namespace

std::string draw_epochs(const std::vector<EpochDescription>& epochs, const PictureFrame& frame) {
    return Picture{epochs, frame}.draw();
}

}  // namespace millrace::cli
