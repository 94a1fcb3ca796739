/* An operator of the table as onnxruntime's OrtCustomOp. */
#ifndef TFOA_CUSTOM_OP_H
#define TFOA_CUSTOM_OP_H

#include "operators.h"

enum { TFOA_API_VERSION = 18 /* the oldest with all that is used, so that one binary serves onnxruntime 1.19.2 and newer */ };

typedef struct tfoa_custom_op {
    OrtCustomOp base; /* first, so that a pointer to it is one to this */
    const OrtApi *api;
    const tfoa_operator *definition;
} tfoa_custom_op;

void tfoa_make_custom_op(const OrtApi *api, const tfoa_operator *definition, tfoa_custom_op *op);

#endif
