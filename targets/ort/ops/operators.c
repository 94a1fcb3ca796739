/* The table of operators. Names and ports are those of the emitted models (tinyfoa_rt/emit, docs/kernels.md). */
#include "operators.h"

/* Of weights that are whole numbers of 8 or 16 bits, and what follows the weights in inputs and outputs. */
#define ON_INTEGERS(name, inputs, outputs, is_in_place, compute) \
    {name, "b" inputs, "b" outputs, is_in_place, compute},       \
    {                                                            \
        name, "h" inputs, "h" outputs, is_in_place, compute      \
    }
#define OF_INTEGERS(name, inputs, outputs, compute) \
    {name, "b" inputs, outputs, 0, compute},        \
    {                                               \
        name, "h" inputs, outputs, 0, compute       \
    }

const tfoa_operator tfoa_operators[] = {
    /* x, w, bias, w_slice, bias_slice, origin, abs_sum, abs_sum_slice, x_scale */
    {"PackedBinaryDense", "uuFUFIfFF", "f", 0, tfoa_packed_binary_dense},
    {"PackedSignDense", "fuFUFIfFF", "f", 0, tfoa_packed_sign_dense},
    {"PackedRealDense", "ufFFFIFFF", "f", 0, tfoa_packed_real_dense},
    /* grad_z, w, w_slice, origin, abs_sum, abs_sum_slice */
    {"PackedSignDenseInputGrad", "fuUIfF", "f", 0, tfoa_packed_sign_dense_input_grad},
    {"PackedBinaryActivation", "fF", "uFU", 0, tfoa_packed_binary_activation},       /* z, scale */
    {"PackedBinaryToReal", "uF", "f", 0, tfoa_packed_binary_to_real},                /* h, scale */
    {"PackedStraightThroughGrad", "fuI", "f", 1, tfoa_packed_straight_through_grad}, /* grad_h, window, origin */
    {"PackedHeadLogits", "uF*", "f", 0, tfoa_packed_head_logits},                    /* h, scale, head */
    {"PackedHeadGrad", "fuI", "f", 0, tfoa_packed_head_grad},                        /* grad_logits, head, origin */
    {"SoftmaxCrossEntropy", "fl", "ff", 1, tfoa_softmax_cross_entropy_op},           /* logits, target */
    {"PackedDenseSgdStep", "ff*FfI", "f", 1, tfoa_packed_dense_sgd_step},            /* w, grad_z, x, x_scale, rate, origin */
    {"PackedDenseSignStep", "ff*FfI", "fuf", 1, tfoa_packed_dense_sign_step},        /* the same, and then PackedPackSigns */
    /* w, grad_z, x, x_scale, rate, power, step_count, origin */
    {"PackedDenseNormalizedStep", "ff*FffiI", "ffi", 1, tfoa_packed_dense_normalized_step},
    {"PackedDenseNormalizedSignStep", "ff*FffiI", "ffiuf", 1, tfoa_packed_dense_normalized_sign_step},
    {"PackedDenseSliceGrad", "f*FI", "fF", 0, tfoa_packed_dense_slice_grad}, /* grad_z, x, x_scale, origin */
    /* The same, where other nodes of the model read bits: a function body is of one type of x. */
    {"PackedDenseSgdStepOfReals", "ff*FfI", "f", 1, tfoa_packed_dense_sgd_step},
    {"PackedDenseSignStepOfReals", "ff*FfI", "fuf", 1, tfoa_packed_dense_sign_step},
    {"PackedDenseNormalizedStepOfReals", "ff*FffiI", "ffi", 1, tfoa_packed_dense_normalized_step},
    {"PackedDenseNormalizedSignStepOfReals", "ff*FffiI", "ffiuf", 1, tfoa_packed_dense_normalized_sign_step},
    {"PackedDenseSliceGradOfReals", "f*FI", "fF", 0, tfoa_packed_dense_slice_grad},
    {"BiasSliceGrad", "fI", "f", 0, tfoa_bias_slice_grad},               /* grad_z, origin */
    {"SgdUpdate", "fffI", "f", 1, tfoa_sgd_update},                      /* w, grad, rate, origin */
    {"MomentumUpdate", "ffffI", "ff", 1, tfoa_momentum_update},          /* w, grad, rate, velocity, origin */
    {"AdamUpdate", "fffffiI", "fffi", 1, tfoa_adam_update},              /* w, grad, rate, mean, variance, step_count, origin */
    {"NormalizedUpdate", "ffffiI", "ffi", 1, tfoa_normalized_update},    /* w, grad, rate, power, step_count, origin */
    {"BinaryCrossEntropy", "ff", "ff", 1, tfoa_binary_cross_entropy_op}, /* logits, target */
    {"MeanSquaredError", "ff", "ff", 1, tfoa_mean_squared_error_op},     /* logits, target */
    {"PackedPackSigns", "fufI", "uf", 0, tfoa_packed_pack_signs},        /* w, signs, abs_sum, origin */
    /* The same of whole numbers: before the origin they read the quantum and the number of the step. */
    ON_INTEGERS("PackedDenseSgdStepOnIntegers", "f*FffLI", "", 1, tfoa_packed_dense_sgd_step_on_integers),
    ON_INTEGERS("PackedDenseSgdStepOnIntegersOfReals", "f*FffLI", "", 1, tfoa_packed_dense_sgd_step_on_integers),
    ON_INTEGERS("SgdUpdateOnIntegers", "fffLI", "", 1, tfoa_sgd_update),
    ON_INTEGERS("MomentumUpdateOnIntegers", "ffffLI", "f", 1, tfoa_momentum_update),
    ON_INTEGERS("AdamUpdateOnIntegers", "ffffifLI", "ffi", 1, tfoa_adam_update),
    ON_INTEGERS("NormalizedUpdateOnIntegers", "fffifLI", "fi", 1, tfoa_normalized_update),
    OF_INTEGERS("PackedPackSignsOfIntegers", "uffI", "uf", tfoa_packed_pack_signs_of_integers),
    OF_INTEGERS("Dequantize", "f", "f", tfoa_dequantize), /* q, quantum */
    /* logits, target, weights of classes */
    {"WeightedSoftmaxCrossEntropy", "flf", "ff", 1, tfoa_weighted_softmax_cross_entropy_op},
};

const size_t tfoa_num_operators = sizeof tfoa_operators / sizeof tfoa_operators[0];
