/* What generated models are made of and what they call. An application needs tinyfoa.h alone. */
#ifndef TINYFOA_MODEL_H
#define TINYFOA_MODEL_H

#include "kernels/backward.h"
#include "kernels/forward.h"
#include "kernels/kernels.h"
#include "runtime/model.h"
#include "runtime/products.h"

/* What a model leaves out at the end of a structure is zero. */
#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

#endif
