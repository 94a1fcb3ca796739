/* libtinyfoa_ops: the kernels of tinyfoa-rt as custom operators of onnxruntime, domain `tinyfoa`.
 *
 * Only the C API is used, at the version of onnxruntime 1.18; nothing is linked. Models that hold the operators' function bodies
 * run without the library too. */
#include "custom_op.h"
#include "kernel_set.h"

enum { MAX_OPERATORS = 48 };

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

/* All operators in one domain, which every session of the process shares: onnxruntime keeps pointers into it. */
static OrtStatus *make_domain(const OrtApi *api, OrtCustomOpDomain **made)
{
    static tfoa_custom_op operators[MAX_OPERATORS];
    OrtCustomOpDomain *domain = NULL;
    OrtStatus *status = api->CreateCustomOpDomain("tinyfoa", &domain);
    for (size_t i = 0; i < tfoa_num_operators && i < MAX_OPERATORS && status == NULL; i++) {
        tfoa_make_custom_op(api, &tfoa_operators[i], &operators[i]);
        status = api->CustomOpDomain_Add(domain, &operators[i].base);
    }
    *made = status == NULL ? domain : NULL;
    return status;
}

OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base)
{
    static OrtCustomOpDomain *domain = NULL;
    const OrtApi *api = base->GetApi(TFOA_API_VERSION);
    if (api == NULL) { /* older: nothing of this API may be touched, a status included, but the oldest has one too */
        const OrtApi *oldest = base->GetApi(1);
        const char *problem = "libtinyfoa_ops needs onnxruntime 1.18 or newer; update it";
        return oldest == NULL ? NULL : oldest->CreateStatus(ORT_FAIL, problem);
    }
    tfoa_choose_kernels();
    OrtStatus *status = domain == NULL ? make_domain(api, &domain) : NULL;
    return status != NULL ? status : api->AddCustomOpDomain(options, domain);
}
