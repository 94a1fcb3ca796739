// Takes training steps on onnxruntime-web (WebAssembly, one thread).
//
//     node run_steps.mjs ONNXRUNTIME_WEB FOLDER
//
// FOLDER holds step.onnx and job.json: the number of steps; `tensors`, of which NAME.bin has the values at the first step; and
// `batches`, of which NAME.bin has the values of all steps, one after another. What a step gives as NAME.next is NAME in the next
// one. The losses go to losses.json, the tensors after the last step to NAME.after.bin.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [library, folder] = process.argv.slice(2);
const main = JSON.parse(fs.readFileSync(path.join(library, "package.json"))).exports["."].node.import;
const ort = await import(pathToFileURL(path.join(library, main)));
ort.env.wasm.numThreads = 1;

const arrays = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array, int32: Int32Array, int64: BigInt64Array };
const job = JSON.parse(fs.readFileSync(path.join(folder, "job.json")));
const read = (name) => fs.readFileSync(path.join(folder, `${name}.bin`));

function tensor(type, shape, bytes) {
  const copy = new Uint8Array(bytes).buffer; // aligned
  return new ort.Tensor(type, new arrays[type](copy), shape);
}

const session = await ort.InferenceSession.create(fs.readFileSync(path.join(folder, "step.onnx")), {
  executionProviders: ["wasm"],
});
const feeds = {};
for (const [name, { type, shape }] of Object.entries(job.tensors)) {
  feeds[name] = tensor(type, shape, read(name));
}
const losses = [];
for (let step = 0; step < job.steps; step++) {
  for (const [name, { type, shape }] of Object.entries(job.batches)) {
    const nbytes = shape.reduce((product, length) => product * length, arrays[type].BYTES_PER_ELEMENT);
    feeds[name] = tensor(type, shape, read(name).subarray(step * nbytes, (step + 1) * nbytes));
  }
  const results = await session.run(feeds);
  losses.push(results["#loss"].data[0]);
  for (const name of session.outputNames.filter((each) => each.endsWith("#next"))) {
    feeds[name.slice(0, -"#next".length)] = results[name];
  }
}
fs.writeFileSync(path.join(folder, "losses.json"), JSON.stringify(losses));
for (const name of Object.keys(job.tensors)) {
  const { buffer, byteOffset, byteLength } = feeds[name].data;
  fs.writeFileSync(path.join(folder, `${name}.after.bin`), new Uint8Array(buffer, byteOffset, byteLength));
}
