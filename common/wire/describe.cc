// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "common/wire/messages.h"

namespace millrace::wire {
namespace {

constexpr std::size_t kShownBytes = 16;
constexpr std::size_t kShownTextBytes = 200;
constexpr std::size_t kShownElements = 8;

std::string bytes_count(std::size_t count) { return std::to_string(count) + (count == 1 ? " byte" : " bytes"); }

std::string abbreviated(const Bytes& data) {
    std::string out = "<" + bytes_count(data.size());
    if (!data.empty()) out += " " + to_hex(data.view().first(std::min(kShownBytes, data.size())));
    if (data.size() > kShownBytes) out += "...";
    return out + ">";
}

class Describer {
public:
    bool since(int) const { return true; }

    void operator()(const char* name, std::int8_t v) { field(name, std::to_string(v)); }
    void operator()(const char* name, std::int32_t v) { field(name, std::to_string(v)); }
    void operator()(const char* name, std::int64_t v) { field(name, std::to_string(v)); }
    void operator()(const char* name, bool v) { field(name, v ? "true" : "false"); }
    void operator()(const char* name, const WriterId& v) { field(name, v.to_string()); }
    void operator()(const char* name, const AttributeId& v) { field(name, v.to_string()); }
    void operator()(const char* name, const std::string& v) { field(name, quoted(v)); }
    void operator()(const char* name, const Bytes& v) { field(name, abbreviated(v)); }
    void token(const char* name, const std::string& v) { field(name, "<token, " + bytes_count(v.size()) + ">"); }
    void rest(const char* name, const Bytes& v) { (*this)(name, v); }
    void zeros(const char* name, std::int32_t v) { (*this)(name, v); }
    void event(const char* name, const Bytes& v) { (*this)(name, v); }
    template <class E>
    void list(const char* name, const std::vector<E>& items, std::size_t = SIZE_MAX) {
        std::string text = "[" + std::to_string(items.size());
        for (std::size_t i = 0; i < std::min(kShownElements, items.size()); ++i) {
            Describer element;
            if constexpr (requires { E::walk(element, items[i]); }) E::walk(element, items[i]);
            else element("", items[i]);
            text += (i == 0 ? ": {" : ", {") + element.text_ + "}";
        }
        if (items.size() > kShownElements) text += ", ...";
        field(name, text + "]");
    }
    void table_key(const Bytes& key, std::int64_t version) {
        (*this)("key", key);
        (*this)("version", version);
    }
    void table_value(const Bytes& value) { (*this)("value", value); }
    void unused_blob() {}

    std::string take() { return std::move(text_); }

private:
    void field(std::string_view name, std::string_view value) {
        if (!text_.empty()) text_ += ' ';
        if (!name.empty()) text_.append(name).append(1, '=');
        text_ += value;
    }

    std::string text_;
};

}  // namespace

std::string quoted(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out = "\"";
    std::size_t shown = std::min(text.size(), kShownTextBytes);
    // Not in the middle of a character.
    while (shown < text.size() && shown > 0 && (static_cast<unsigned char>(text[shown]) & 0xC0) == 0x80) --shown;
    for (const char c : text.substr(0, shown)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') out.append(1, '\\').append(1, c);
        else if (c == '\n') out += "\\n";
        else if (byte < 0x20 || byte == 0x7F) out.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
        else out += c;
    }
    out += '"';
    if (shown < text.size()) out += "... (" + bytes_count(text.size()) + ")";
    return out;
}

std::string describe(const Message& message) {
    return std::visit(
        []<class T>(const T& m) {
            Describer describer;
            T::walk(describer, m);
            return describer.take();
        },
        message);
}

}  // namespace millrace::wire
