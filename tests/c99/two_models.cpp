// Two models in one C++ program, each with an arena, a storage and a context of its own.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "first_model.h"
#include "second_model.h"

namespace {

int read_bytes(void *device, std::uint32_t offset, void *to, std::uint32_t nbytes) {
    std::memcpy(to, static_cast<std::uint8_t *>(device) + offset, nbytes);
    return 0;
}

int write_bytes(void *device, std::uint32_t offset, const void *from, std::uint32_t nbytes) {
    std::memcpy(static_cast<std::uint8_t *>(device) + offset, from, nbytes);
    return 0;
}

class Learner {
  public:
    explicit Learner(const tfoa_model &model)
        : arena_(tfoa_arena_nbytes(&model) / 4 + 1), storage_bytes_(tfoa_storage_nbytes(&model)) {
        const tfoa_storage storage = {storage_bytes_.data(), read_bytes, write_bytes, nullptr};
        status_ = tfoa_format(&model, &storage);
        if (status_ == TFOA_OK) {
            status_ = tfoa_init(&context_, &model, arena_.data(), arena_.size() * 4, &storage);
        }
    }

    tfoa_status step(const float *x, std::int32_t label) {
        return status_ == TFOA_OK ? tfoa_train_step(&context_, x, &label, tfoa_starting_rate(&context_), nullptr) : status_;
    }

    std::uint32_t steps() const { return tfoa_get_progress(&context_).total_steps; }

  private:
    std::vector<std::uint32_t> arena_;
    std::vector<std::uint8_t> storage_bytes_;
    tfoa_context context_ = {};
    tfoa_status status_ = TFOA_OK;
};

}  // namespace

int main() {
    Learner first(first_model);
    Learner second(second_model);
    std::vector<float> x(FIRST_INPUTS > SECOND_INPUTS ? FIRST_INPUTS : SECOND_INPUTS, 0.5F);
    for (int i = 0; i < 5; i++) {
        if (first.step(x.data(), i % FIRST_OUTPUTS) != TFOA_OK || (i < 3 && second.step(x.data(), i % SECOND_OUTPUTS) != TFOA_OK)) {
            return 1;
        }
    }
    std::printf("%s %u %u\n", tfoa_version(), first.steps(), second.steps());
    return 0;
}
