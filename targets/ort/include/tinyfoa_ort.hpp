// SPDX-License-Identifier: Apache-2.0
// Training on the device with onnxruntime: opens an artifact of tinyfoa-rt, trains, predicts, saves and resumes (docs/cpp.md).
//
//     tinyfoa::Trainer trainer = tinyfoa::Trainer::open("artifact");
//     tinyfoa::Samples batch;
//     batch.x = x, batch.labels = labels, batch.count = n;
//     float loss = trainer.train_step(batch).loss;
//     trainer.save("trained");
//
// Whatever goes wrong is a tinyfoa::Error. A trainer belongs to one thread at a time.
#pragma once

#include "tinyfoa_ort/trainer.hpp"
