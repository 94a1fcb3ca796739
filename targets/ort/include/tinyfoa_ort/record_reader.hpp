// SPDX-License-Identifier: Apache-2.0
// Reads a JSON object that must have exactly the fields that are asked for, each of its type.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "tinyfoa_ort/error.hpp"
#include "tinyfoa_ort/json.hpp"

namespace tinyfoa {

class RecordReader {
public:
    RecordReader(std::string place, const Json& content, std::string mend = "build the artifact again")
        : place_(std::move(place)), content_(content), mend_(std::move(mend)) {
        if (!content.is(Json::Type::object)) {
            throw input_error(place_, "is not an object", mend_);
        }
    }

    const Json* any(const std::string& key) {
        const Json* found = content_.find(key);
        if (found == nullptr) {
            throw input_error(place_, "lacks '" + key + "'", mend_);
        }
        read_.insert(key);
        return found;
    }

    const std::string& place() const { return place_; }
    Error refused(const std::string& problem) const { return input_error(place_, problem, mend_); }

    // Fields that must be there, and that this trainer does without.
    void ignore(std::initializer_list<const char*> keys) {
        for (const char* key : keys) {
            any(key);
        }
    }

    // What `read` makes of a field that is a record of its own.
    template <typename Read>
    auto record(const std::string& key, const Read& read) {
        return read_at(place_ + ", " + key, *any(key), read);
    }

    // The same of each of a list.
    template <typename Read>
    auto records(const std::string& key, const Read& read) {
        std::vector<std::invoke_result_t<Read, RecordReader&>> found;
        for (const Json& item : list(key)) {
            found.push_back(read_at(place_ + ", " + key + "[" + std::to_string(found.size()) + "]", item, read));
        }
        return found;
    }

    // And of each member of a table.
    template <typename Read>
    auto table(const std::string& key, const Read& read) {
        std::map<std::string, std::invoke_result_t<Read, RecordReader&>> found;
        RecordReader members = inside(key);
        for (const std::string& name : members.keys()) {
            found.emplace(name, members.record(name, read));
        }
        return found;
    }

    std::string text(const std::string& key) { return typed(key, Json::Type::string, "text").text(); }
    bool boolean(const std::string& key) { return typed(key, Json::Type::boolean, "true or false").text() == "true"; }
    const std::vector<Json>& list(const std::string& key) { return typed(key, Json::Type::array, "a list").items(); }

    std::string choice(const std::string& key, std::initializer_list<const char*> allowed) {
        const std::string found = text(key);
        std::string names;
        for (const char* name : allowed) {
            if (found == name) {
                return found;
            }
            names += (names.empty() ? "" : " or ") + std::string(name);
        }
        throw input_error(place_ + ", " + key, "is '" + found.substr(0, 48) + "'", "use " + names);
    }

    std::int64_t integer(const std::string& key, std::int64_t least = 0) {
        const std::optional<std::int64_t> value = any(key)->as_integer();
        require(value && *value >= least, key, "is no whole number from " + std::to_string(least));
        return *value;
    }

    // A number of things or bytes in memory.
    std::size_t size(const std::string& key, std::int64_t least = 0) {
        const auto value = static_cast<std::uint64_t>(integer(key, least));
        require(value <= std::numeric_limits<std::size_t>::max(), key, "is beyond the address space");
        return static_cast<std::size_t>(value);
    }

    double number(const std::string& key) {
        const std::optional<double> value = any(key)->as_number();
        require(value.has_value(), key, "is no number");
        return *value;
    }

    std::optional<double> number_or_null(const std::string& key) {
        return is_null(key) ? std::nullopt : std::optional<double>(number(key));
    }

    std::vector<std::int64_t> integers(const std::string& key, std::int64_t least = std::numeric_limits<std::int64_t>::min()) {
        const auto get = [](const Json& item) { return item.as_integer(); };
        std::vector<std::int64_t> values = listed<std::int64_t>(key, "whole numbers", get);
        const bool is_below = std::any_of(values.begin(), values.end(), [least](std::int64_t value) { return value < least; });
        require(!is_below, key, "has a number below " + std::to_string(least));
        return values;
    }

    std::vector<double> numbers(const std::string& key) {
        return listed<double>(key, "numbers", [](const Json& item) { return item.as_number(); });
    }

    std::vector<std::string> texts(const std::string& key) {
        return listed<std::string>(key, "texts", [](const Json& item) {
            return item.is(Json::Type::string) ? std::optional<std::string>(item.text()) : std::nullopt;
        });
    }

    bool is_null(const std::string& key) { return any(key)->is(Json::Type::null); }

    // A field whose own fields may have any name.
    RecordReader inside(const std::string& key) { return {place_ + ", " + key, *any(key), mend_}; }

    std::vector<std::string> keys() const {
        std::vector<std::string> names;
        for (const Json::Member& member : content_.members()) {
            names.push_back(member.first);
        }
        return names;
    }

    // Refuse fields that nobody has asked for.
    void finish() const {
        for (const Json::Member& member : content_.members()) {
            if (read_.count(member.first) == 0) {
                throw input_error(place_, "has the unknown key '" + member.first.substr(0, 48) + "'", mend_);
            }
        }
    }

private:
    void require(bool is_good, const std::string& key, const std::string& problem) const {
        if (!is_good) {
            throw input_error(place_ + ", " + key, problem, mend_);
        }
    }

    template <typename T, typename Get>
    std::vector<T> listed(const std::string& key, const std::string& what, const Get& get) {
        std::vector<T> values;
        for (const Json& item : list(key)) {
            const std::optional<T> value = get(item);
            require(value.has_value(), key, "is no list of " + what);
            values.push_back(*value);
        }
        return values;
    }

    template <typename Read>
    auto read_at(const std::string& place, const Json& content, const Read& read) const {
        RecordReader reader(place, content, mend_);
        auto found = read(reader);
        reader.finish();
        return found;
    }

    const Json& typed(const std::string& key, Json::Type type, const std::string& expected) {
        const Json* found = any(key);
        require(found->is(type), key, "is not " + expected);
        return *found;
    }

    std::string place_;
    const Json& content_;
    std::string mend_;
    std::set<std::string> read_;
};

}  // namespace tinyfoa
