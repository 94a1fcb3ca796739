// SPDX-License-Identifier: Apache-2.0
// How far training has come: what a checkpoint holds beside the tensors, in the JSON of tinyfoa_rt/run/progress.py.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tinyfoa_ort/json.hpp"
#include "tinyfoa_ort/normalization.hpp"
#include "tinyfoa_ort/record_reader.hpp"
#include "tinyfoa_ort/settings.hpp"

namespace tinyfoa {

struct Progress {
    TrainSettings settings;
    std::optional<Normalization> normalization;
    std::int64_t block = 0;                             // in training; the number of blocks where all are done
    std::int64_t step = 0;                              // steps that this block has taken
    std::int64_t total_steps = 0;                       // steps of all blocks
    std::vector<std::pair<std::string, double>> rates;  // at which each block begun so far has started, in the order of training

    const double* rate_of(const std::string& name) const {
        for (const auto& [block_name, rate] : rates) {
            if (block_name == name) {
                return &rate;
            }
        }
        return nullptr;
    }

    bool is_fresh() const { return total_steps == 0 && rates.empty(); }

    Json to_json() const {
        Json saved = Json::object(), each = Json::object();
        const Json turn = settings.rotate_every == 0 ? Json() : Json::integer(settings.rotate_every);
        saved.add("epochs", Json::integer(settings.epochs)).add("rate", Json::real(settings.rate));
        saved.add("rate_schedule", Json::string(settings.rate_schedule)).add("rotate_every", turn);
        saved.add("seed", Json::integer(settings.seed));
        for (const auto& [name, rate] : rates) {
            each.add(name, Json::real(rate));
        }
        Json value = Json::object();
        value.add("settings", std::move(saved)).add("normalization", normalization ? normalization->to_json() : Json());
        value.add("block", Json::integer(block)).add("step", Json::integer(step)).add("total_steps", Json::integer(total_steps));
        value.add("rates", std::move(each));
        return value;
    }

    static Progress from_json(const std::string& place, const Json& value) {
        const std::string mend = "start training anew";
        RecordReader reader(place, value, mend), settings(place + ", settings", *reader.any("settings"), mend);
        Progress progress;
        progress.settings.epochs = settings.integer("epochs");
        progress.settings.rate = settings.number("rate");
        progress.settings.rate_schedule = settings.text("rate_schedule");
        progress.settings.rotate_every =
            settings.any("rotate_every")->is(Json::Type::null) ? 0 : settings.integer("rotate_every", 1);
        progress.settings.seed = settings.integer("seed");
        progress.settings.check();
        const Json* stored = reader.any("normalization");
        if (!stored->is(Json::Type::null)) {
            progress.normalization = Normalization::from_json(place + ", normalization", *stored);
        }
        progress.block = reader.integer("block");
        progress.step = reader.integer("step");
        progress.total_steps = reader.integer("total_steps");
        for (const Json::Member& member : reader.any("rates")->members()) {
            const std::optional<double> rate = member.second.as_number();
            if (!rate) {
                throw input_error(place + ", rates", "holds something that is no number", mend);
            }
            progress.rates.emplace_back(member.first, *rate);
        }
        return progress;
    }
};

}  // namespace tinyfoa
