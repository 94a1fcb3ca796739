// SPDX-License-Identifier: Apache-2.0
// How far training has come: what a checkpoint holds beside the tensors, in the JSON of tinyfoa_rt/run/progress.py.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tinyfoa_ort/json.hpp"
#include "tinyfoa_ort/normalization.hpp"
#include "tinyfoa_ort/record_reader.hpp"
#include "tinyfoa_ort/settings.hpp"

namespace tinyfoa {

namespace detail {

template <typename Pairs>
auto find_named(Pairs& pairs, const std::string& name) {
    return std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == name; });
}

}  // namespace detail

// Position in training. A round is what one `fit` does: each of its blocks is trained for its epochs.
struct Progress {
    TrainSettings settings;
    std::optional<Normalization> normalization;
    std::optional<std::string> data;                    // digest of the round's data; none before the first and on a stream
    std::int64_t block = 0;                             // in training; the number of blocks where the round has ended
    std::int64_t step = 0;                              // steps that this block has taken in this round
    std::int64_t total_steps = 0;                       // steps of all blocks in this round
    std::vector<std::pair<std::string, double>> rates;  // measured last for each block that has ever begun, in that order
    // Of each block whose rate is still being measured on a stream: mean x^2 of the samples that it has seen.
    std::vector<std::pair<std::string, std::vector<double>>> powers;

    // Stand where a round begins; without data, where a stream does.
    void begin(const std::optional<std::string>& digest) {
        data = digest;
        block = step = total_steps = 0;
        powers.clear();
    }

    const double* rate_of(const std::string& name) const {
        const auto found = detail::find_named(rates, name);
        return found == rates.end() ? nullptr : &found->second;
    }

    void set_rate(const std::string& name, double rate) {
        const auto found = detail::find_named(rates, name);
        if (found == rates.end()) {
            rates.emplace_back(name, rate);
        } else {
            found->second = rate;
        }
    }

    // The powers of a block, none where its rate is settled.
    std::vector<double>* powers_of(const std::string& name) {
        const auto found = detail::find_named(powers, name);
        return found == powers.end() ? nullptr : &found->second;
    }

    void settle(const std::string& name) { powers.erase(detail::find_named(powers, name)); }

    Json to_json() const {
        Json saved = Json::object(), each = Json::object(), seen = Json::object();
        const Json turn = settings.rotate_every == 0 ? Json() : Json::integer(settings.rotate_every);
        saved.add("epochs", Json::integer(settings.epochs)).add("rate", Json::real(settings.rate));
        saved.add("rate_schedule", Json::string(settings.rate_schedule)).add("rotate_every", turn);
        saved.add("seed", Json::integer(settings.seed)).add("blocks", names());
        for (const auto& [name, rate] : rates) {
            each.add(name, Json::real(rate));
        }
        for (const auto& [name, numbers] : powers) {
            Json list = Json::array();
            for (const double power : numbers) {
                list.add(Json::real(power));
            }
            seen.add(name, std::move(list));
        }
        Json value = Json::object();
        value.add("settings", std::move(saved)).add("normalization", normalization ? normalization->to_json() : Json());
        value.add("data", data ? Json::string(*data) : Json());
        value.add("block", Json::integer(block)).add("step", Json::integer(step)).add("total_steps", Json::integer(total_steps));
        value.add("rates", std::move(each)).add("powers", std::move(seen));
        return value;
    }

    static Progress from_json(const std::string& place, const Json& value) {
        RecordReader reader(place, value, mend), settings(place + ", settings", *reader.any("settings"), mend);
        Progress progress;
        progress.settings.epochs = settings.integer("epochs");
        progress.settings.rate = settings.number("rate");
        progress.settings.rate_schedule = settings.text("rate_schedule");
        progress.settings.rotate_every =
            settings.any("rotate_every")->is(Json::Type::null) ? 0 : settings.integer("rotate_every", 1);
        progress.settings.seed = settings.integer("seed");
        if (!settings.any("blocks")->is(Json::Type::null)) {
            for (const Json& name : settings.list("blocks")) {
                progress.settings.blocks.push_back(name.text());
            }
        }
        progress.settings.check();
        const Json* stored = reader.any("normalization");
        if (!stored->is(Json::Type::null)) {
            progress.normalization = Normalization::from_json(place + ", normalization", *stored);
        }
        if (!reader.any("data")->is(Json::Type::null)) {
            progress.data = reader.text("data");
        }
        progress.block = reader.integer("block");
        progress.step = reader.integer("step");
        progress.total_steps = reader.integer("total_steps");
        for (const Json::Member& member : reader.any("rates")->members()) {
            progress.rates.emplace_back(member.first, number(place + ", rates", member.second));
        }
        for (const Json::Member& member : reader.any("powers")->members()) {
            progress.powers.emplace_back(member.first, std::vector<double>());
            for (const Json& power : member.second.items()) {
                progress.powers.back().second.push_back(number(place + ", powers", power));
            }
        }
        return progress;
    }

private:
    static constexpr const char* mend = "start training anew";

    static double number(const std::string& place, const Json& value) {
        const std::optional<double> found = value.as_number();
        if (!found) {
            throw input_error(place, "holds something that is no number", mend);
        }
        return *found;
    }

    Json names() const {
        if (settings.blocks.empty()) {
            return Json();
        }
        Json list = Json::array();
        for (const std::string& name : settings.blocks) {
            list.add(Json::string(name));
        }
        return list;
    }
};

}  // namespace tinyfoa
