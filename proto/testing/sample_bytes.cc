// SPDX-License-Identifier: Apache-2.0
#include "proto/testing/sample_bytes.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>

namespace millrace::proto::testing {

namespace {

namespace gpb = google::protobuf;

// ---- Values: a function of the field's number and of which element it is ----

// Signed ones are negative in turn, so that all ten bytes of a varint are seen.
std::int64_t sample_integer(int number, int element, int bits) {
    std::int64_t value = number * 1000 + element * 7 + 1;
    if (bits == 64) value += std::int64_t{number} << 40;
    return (number + element) % 2 == 1 ? -value : value;
}
std::uint64_t sample_unsigned(int number, int element, int bits) {
    const std::uint64_t value = static_cast<std::uint64_t>(number) * 1000 + static_cast<std::uint64_t>(element) * 7 + 1;
    return bits == 64 ? value + (std::uint64_t{0x81} << 56) : value + (std::uint64_t{0x81} << 24);
}
double sample_double(int number, int element) { return 0.5 + number + element * 0.25; }
std::string sample_text(int number, int element) {
    return "text " + std::to_string(number) + "." + std::to_string(element);
}

constexpr int kElements = 2;  // of a repeated field

// ---- The encoder ----

void put_varint(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<char>(value | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<char>(value));
}
template <class T>
void put_fixed(std::string& out, T value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    for (std::size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
}
void put_tag(std::string& out, int number, unsigned wire_type) {
    put_varint(out, static_cast<std::uint64_t>(number) << 3 | wire_type);
}
void put_block(std::string& out, int number, const std::string& content) {
    put_tag(out, number, 2);
    put_varint(out, content.size());
    out += content;
}

// A scalar's bytes without its tag, and the tag's wire type; false: not a scalar that can be packed.
bool put_scalar(std::string& out, const std::string& type, int number, int element, unsigned& wire_type) {
    wire_type = 0;
    if (type == "int32") put_varint(out, static_cast<std::uint64_t>(sample_integer(number, element, 32)));
    else if (type == "int64") put_varint(out, static_cast<std::uint64_t>(sample_integer(number, element, 64)));
    else if (type == "uint32") put_varint(out, sample_unsigned(number, element, 32));
    else if (type == "uint64") put_varint(out, sample_unsigned(number, element, 64));
    else if (type == "bool") put_varint(out, 1);
    else if (type == "double") put_fixed(out, sample_double(number, element)), wire_type = 1;
    else if (type == "fixed64") put_fixed(out, sample_unsigned(number, element, 64)), wire_type = 1;
    else if (type == "fixed32") put_fixed(out, static_cast<std::uint32_t>(sample_unsigned(number, element, 32))), wire_type = 5;
    else return false;
    return true;
}

// A name as the page's message sees it: its own parts first, then those of what it lies in.
template <class T>
const std::pair<const std::string, T>* find_type(const std::map<std::string, T>& types, std::string inside,
                                                 const std::string& name) {
    while (true) {
        const auto found = types.find(inside.empty() ? name : inside + "." + name);
        if (found != types.end()) return &*found;
        if (inside.empty()) return nullptr;
        const std::size_t dot = inside.rfind('.');
        inside.resize(dot == std::string::npos ? 0 : dot);
    }
}

int largest(const std::map<std::string, int>& values) {
    int most = 0;
    for (const auto& [name, number] : values) most = std::max(most, number);
    return most;
}

}  // namespace

std::string bytes_by_page(const Page& page, const std::string& message, Turn turn, std::string& mistake) {
    std::string out;
    const auto found = page.messages.find(message);
    if (found == page.messages.end()) {
        mistake = "the page has no message " + message;
        return out;
    }
    std::vector<PageField> fields = found->second;
    std::sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    int one_of = 0;
    for (const PageField& field : fields) {
        if (field.one_of && one_of++ != turn) continue;
        unsigned wire_type = 0;
        const int elements = field.repeated ? kElements : 1;
        if (std::string scalar; put_scalar(scalar, field.type, field.number, 0, wire_type)) {
            if (!field.repeated) {
                put_tag(out, field.number, wire_type);
                out += scalar;
                continue;
            }
            std::string packed;
            for (int i = 0; i < elements; ++i) put_scalar(packed, field.type, field.number, i, wire_type);
            put_block(out, field.number, packed);
        } else if (field.type == "map<int64,int64>") {
            std::string entry;
            put_tag(entry, 1, 0);
            put_scalar(entry, "int64", field.number, 0, wire_type);
            put_tag(entry, 2, 0);
            put_scalar(entry, "int64", field.number, 1, wire_type);
            put_block(out, field.number, entry);
        } else if (field.type == "string" || field.type == "bytes") {
            for (int i = 0; i < elements; ++i) put_block(out, field.number, sample_text(field.number, i));
        } else if (const auto* values = find_type(page.enums, message, field.type)) {
            put_tag(out, field.number, 0);
            put_varint(out, static_cast<std::uint64_t>(largest(values->second)));
            if (field.repeated) mistake = "repeated enums are not known here";
        } else if (const auto* inner = find_type(page.messages, message, field.type)) {
            for (int i = 0; i < elements; ++i) put_block(out, field.number, bytes_by_page(page, inner->first, 0, mistake));
        } else {
            mistake = message + "." + field.name + ": the page does not say what a " + field.type + " is";
        }
    }
    return out;
}

int turns_of(const gpb::Descriptor& type) {
    int turns = 1;
    for (int i = 0; i < type.real_oneof_decl_count(); ++i) turns = std::max(turns, type.oneof_decl(i)->field_count());
    return turns;
}

namespace {

void fill(gpb::Message& message, Turn turn) {
    const gpb::Descriptor& type = *message.GetDescriptor();
    const gpb::Reflection& set = *message.GetReflection();
    for (int f = 0; f < type.field_count(); ++f) {
        const gpb::FieldDescriptor* field = type.field(f);
        const int number = field->number();
        if (field->real_containing_oneof() != nullptr && field->index_in_oneof() != turn) continue;
        for (int i = 0; i < (field->is_repeated() && !field->is_map() ? kElements : 1); ++i) {
            const bool many = field->is_repeated();
            const auto put = [&](auto add, auto one, auto value) {
                if (many) std::invoke(add, set, &message, field, value);
                else std::invoke(one, set, &message, field, value);
            };
            using R = gpb::Reflection;
            switch (field->cpp_type()) {
                case gpb::FieldDescriptor::CPPTYPE_INT32:
                    put(&R::AddInt32, &R::SetInt32, static_cast<std::int32_t>(sample_integer(number, i, 32)));
                    break;
                case gpb::FieldDescriptor::CPPTYPE_INT64:
                    put(&R::AddInt64, &R::SetInt64, sample_integer(number, i, 64));
                    break;
                case gpb::FieldDescriptor::CPPTYPE_UINT32:
                    put(&R::AddUInt32, &R::SetUInt32, static_cast<std::uint32_t>(sample_unsigned(number, i, 32)));
                    break;
                case gpb::FieldDescriptor::CPPTYPE_UINT64:
                    put(&R::AddUInt64, &R::SetUInt64, sample_unsigned(number, i, 64));
                    break;
                case gpb::FieldDescriptor::CPPTYPE_DOUBLE: put(&R::AddDouble, &R::SetDouble, sample_double(number, i)); break;
                case gpb::FieldDescriptor::CPPTYPE_BOOL: put(&R::AddBool, &R::SetBool, true); break;
                case gpb::FieldDescriptor::CPPTYPE_STRING: {
                    if (many) set.AddString(&message, field, sample_text(number, i));
                    else set.SetString(&message, field, sample_text(number, i));
                    break;
                }
                case gpb::FieldDescriptor::CPPTYPE_ENUM: {
                    const gpb::EnumDescriptor* values = field->enum_type();
                    const gpb::EnumValueDescriptor* last = values->value(0);
                    for (int v = 0; v < values->value_count(); ++v) {
                        if (values->value(v)->number() > last->number()) last = values->value(v);
                    }
                    set.SetEnum(&message, field, last);
                    break;
                }
                case gpb::FieldDescriptor::CPPTYPE_MESSAGE: {
                    gpb::Message* const inner = many ? set.AddMessage(&message, field) : set.MutableMessage(&message, field);
                    if (!field->is_map()) {
                        fill(*inner, 0);
                        break;
                    }
                    const gpb::Descriptor& entry = *field->message_type();
                    inner->GetReflection()->SetInt64(inner, entry.map_key(), sample_integer(number, 0, 64));
                    inner->GetReflection()->SetInt64(inner, entry.map_value(), sample_integer(number, 1, 64));
                    break;
                }
                default: break;  // float: nothing has one; the bytes would differ
            }
        }
    }
}

}  // namespace

std::unique_ptr<gpb::Message> message_by_name(const gpb::Descriptor& type, Turn turn) {
    std::unique_ptr<gpb::Message> message{gpb::MessageFactory::generated_factory()->GetPrototype(&type)->New()};
    fill(*message, turn);
    return message;
}

}  // namespace millrace::proto::testing
