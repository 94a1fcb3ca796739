// Two models in one program, used as a C++ application would use them: alone, and then in turns.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "net_0_model.h"
#include "net_1_model.h"

namespace {

int read_bytes(void* device, std::uint32_t offset, void* to, std::uint32_t nbytes) {
    std::memcpy(to, static_cast<std::vector<std::uint8_t>*>(device)->data() + offset, nbytes);
    return 0;
}

int write_bytes(void* device, std::uint32_t offset, const void* from, std::uint32_t nbytes) {
    std::memcpy(static_cast<std::vector<std::uint8_t>*>(device)->data() + offset, from, nbytes);
    return 0;
}

class Learner {
public:
    Learner(const tfoa_model& model, int inputs, int outputs)
        : inputs_(inputs), outputs_(outputs), arena_(tfoa_arena_nbytes(&model) / 4), bytes_(tfoa_storage_nbytes(&model)) {
        const tfoa_storage storage = {&bytes_, read_bytes, write_bytes, nullptr, 0};
        is_ready_ = tfoa_format(&model, &storage) == TFOA_OK &&
                    tfoa_init(&context_, &model, arena_.data(), arena_.size() * 4, &storage) == TFOA_OK;
    }

    bool step(std::uint32_t number) {
        std::vector<float> x(inputs_);
        for (int i = 0; i < inputs_; i++) {
            x[i] = static_cast<float>((number * 37u + i * 11u) % 17u) / 8.0f - 1.0f;
        }
        const std::int32_t label = static_cast<std::int32_t>(number) % outputs_;
        return is_ready_ && tfoa_train_step(&context_, x.data(), &label, 0.1f, nullptr) == TFOA_OK;
    }

    std::vector<std::uint8_t> state() { return tfoa_save(&context_) == TFOA_OK ? bytes_ : std::vector<std::uint8_t>(); }

private:
    int inputs_;
    int outputs_;
    std::vector<std::uint32_t> arena_;
    std::vector<std::uint8_t> bytes_;
    tfoa_context context_;
    bool is_ready_ = false;
};

}  // namespace

int main() {
    Learner alone_0(net_0_model, NET_0_INPUTS, NET_0_OUTPUTS), alone_1(net_1_model, NET_1_INPUTS, NET_1_OUTPUTS);
    Learner turns_0(net_0_model, NET_0_INPUTS, NET_0_OUTPUTS), turns_1(net_1_model, NET_1_INPUTS, NET_1_OUTPUTS);
    bool is_good = true;
    for (std::uint32_t number = 0; number < 60; number++) {
        is_good = is_good && alone_0.step(number);
    }
    for (std::uint32_t number = 0; number < 60; number++) {
        is_good = is_good && alone_1.step(number) && turns_0.step(number) && turns_1.step(number);
    }
    const bool is_equal = alone_0.state() == turns_0.state() && alone_1.state() == turns_1.state() && !alone_0.state().empty();
    std::puts(is_good && is_equal ? "equal" : "different");
    return 0;
}
