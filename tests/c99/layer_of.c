/* The first layer of a block, for tests that call the runtime's operators on it. */
#include "runtime/model.h"

const tfoa_layer *layer_of(const tfoa_model *model, int32_t block);

const tfoa_layer *layer_of(const tfoa_model *model, int32_t block)
{
    return model->blocks[block].layers;
}
