// SPDX-License-Identifier: Apache-2.0
// Reads a JSON object that must have exactly the fields that are asked for, each of its type.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
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
        if (!value || *value < least) {
            throw input_error(place_ + ", " + key, "is no whole number from " + std::to_string(least), mend_);
        }
        return *value;
    }

    double number(const std::string& key) {
        const std::optional<double> value = any(key)->as_number();
        if (!value) {
            throw input_error(place_ + ", " + key, "is no number", mend_);
        }
        return *value;
    }

    std::vector<std::int64_t> integers(const std::string& key) {
        std::vector<std::int64_t> values;
        for (const Json& item : list(key)) {
            const std::optional<std::int64_t> value = item.as_integer();
            if (!value) {
                throw input_error(place_ + ", " + key, "is no list of whole numbers", mend_);
            }
            values.push_back(*value);
        }
        return values;
    }

    std::vector<std::string> texts(const std::string& key) {
        std::vector<std::string> values;
        for (const Json& item : list(key)) {
            if (!item.is(Json::Type::string)) {
                throw input_error(place_ + ", " + key, "is no list of texts", mend_);
            }
            values.push_back(item.text());
        }
        return values;
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
    const Json& typed(const std::string& key, Json::Type type, const std::string& expected) {
        const Json* found = any(key);
        if (!found->is(type)) {
            throw input_error(place_ + ", " + key, "is not " + expected, mend_);
        }
        return *found;
    }

    std::string place_;
    const Json& content_;
    std::string mend_;
    std::set<std::string> read_;
};

}  // namespace tinyfoa
