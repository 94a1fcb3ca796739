/* libtinyfoa_ops: the kernels of tinyfoa-rt as custom operators of onnxruntime, domain `tinyfoa`.
 *
 * Only the C API is used, at the version of onnxruntime 1.18; nothing is linked. Models that hold the operators' function bodies run
 * without the library too. */
#include "custom_op.h"
#include "kernel_set.h"

enum { MAX_OPERATORS = 32 };

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base)
{
    static tfoa_custom_op operators[MAX_OPERATORS]; /* onnxruntime keeps pointers to them */
    OrtCustomOpDomain *domain = NULL;
    const OrtApi *api = base->GetApi(TFOA_API_VERSION);
    if (api == NULL) { /* older: nothing of this API may be touched, a status included, but the oldest has one too */
        const OrtApi *oldest = base->GetApi(1);
        return oldest == NULL ? NULL : oldest->CreateStatus(ORT_FAIL, "libtinyfoa_ops needs onnxruntime 1.18 or newer; update it");
    }
    tfoa_choose_kernels();
    OrtStatus *status = api->CreateCustomOpDomain("tinyfoa", &domain);
    for (size_t i = 0; i < tfoa_num_operators && i < MAX_OPERATORS && status == NULL; i++) {
        tfoa_make_custom_op(api, &tfoa_operators[i], &operators[i]);
        status = api->CustomOpDomain_Add(domain, &operators[i].base);
    }
    return status != NULL ? status : api->AddCustomOpDomain(options, domain); /* which the process keeps */
}
