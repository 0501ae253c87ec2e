/**
 * Runs the project's TypeScript: `node --require ./local/typescript.js PROGRAM.ts`.
 *
 * tsx alone rewrites whatever is an ES module, in packages too: the thousand files of the Kubernetes client, at every start, which takes
 * three quarters of it. Node.js loads those as they are.
 */
const Module = require("node:module");
const path = require("node:path");

const packages = `${path.sep}node_modules${path.sep}`;
const asItIs = Module._extensions[".js"];
require("tsx/cjs");
const rewritten = Module._extensions[".js"];
Module._extensions[".js"] = (module, file) => (file.includes(packages) ? asItIs : rewritten)(module, file);
