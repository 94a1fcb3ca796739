/* Whether the storage holds what was written to it. */
#ifndef TFOA_CHECK_STATE_H
#define TFOA_CHECK_STATE_H

#include "model.h"

/* Read every record, bit, sum and bias; TFOA_ERROR_DAMAGED where one is not as the header's checksums say. Needs the arena. */
tfoa_status tfoa_check_state(tfoa_context *context);

#endif
