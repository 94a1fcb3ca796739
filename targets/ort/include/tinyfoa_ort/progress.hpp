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
    Json labels;                                        // which label each class is, texts or numbers; null of class numbers
    std::optional<std::string> data;                    // digest of the round's data; none before the first and on a stream
    std::size_t block = 0;                              // in training; the number of blocks where the round has ended
    std::int64_t step = 0;                              // steps that this block has taken in this round
    std::int64_t total_steps = 0;                       // steps of all blocks in this round
    std::vector<std::pair<std::string, double>> rates;  // measured last for each block that has ever begun, in that order
    // Of each block whose rate is still being measured on a stream: mean x^2 of the samples that it has seen.
    std::vector<std::pair<std::string, std::vector<double>>> powers;

    // Stand where a round begins; without data, where a stream does.
    void begin(const std::optional<std::string>& digest) {
        data = digest;
        block = 0;
        step = total_steps = 0;
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
        saved.add("seed", Json::integer(settings.seed))
            .add("sampling", Json::string(settings.sampling))
            .add("blocks", settings.blocks.empty() ? Json() : Json::list(settings.blocks, Json::string));
        for (const auto& [name, rate] : rates) {
            each.add(name, Json::real(rate));
        }
        for (const auto& [name, numbers] : powers) {
            seen.add(name, Json::list(numbers, Json::real));
        }
        Json value = Json::object();
        value.add("settings", std::move(saved)).add("normalization", normalization ? normalization->to_json() : Json());
        value.add("labels", labels);
        value.add("data", data ? Json::string(*data) : Json());
        value.add("block", Json::integer(static_cast<std::int64_t>(block)))
            .add("step", Json::integer(step))
            .add("total_steps", Json::integer(total_steps));
        value.add("rates", std::move(each)).add("powers", std::move(seen));
        return value;
    }

    static Progress from_json(const std::string& place, const Json& value) {
        RecordReader reader(place, value, "start training anew");
        RecordReader settings = reader.inside("settings"), rates = reader.inside("rates"), powers = reader.inside("powers");
        Progress progress;
        progress.settings.epochs = settings.integer("epochs");
        progress.settings.rate = settings.number("rate");
        progress.settings.rate_schedule = settings.text("rate_schedule");
        progress.settings.rotate_every = settings.is_null("rotate_every") ? 0 : settings.integer("rotate_every", 1);
        progress.settings.seed = settings.integer("seed");
        progress.settings.sampling = settings.text("sampling");
        if (!settings.is_null("blocks")) {
            progress.settings.blocks = settings.texts("blocks");
        }
        progress.settings.check();
        if (!reader.is_null("normalization")) {
            progress.normalization = Normalization::from_json(place + ", normalization", *reader.any("normalization"));
        }
        progress.labels = *reader.any("labels");
        if (!reader.is_null("data")) {
            progress.data = reader.text("data");
        }
        progress.block = reader.size("block");
        progress.step = reader.integer("step");
        progress.total_steps = reader.integer("total_steps");
        for (const std::string& name : rates.keys()) {
            progress.rates.emplace_back(name, rates.number(name));
        }
        for (const std::string& name : powers.keys()) {
            progress.powers.emplace_back(name, powers.numbers(name));
        }
        return progress;
    }
};

}  // namespace tinyfoa
