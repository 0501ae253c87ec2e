/**
 * Starts the longest end-to-end files first, so that both workers end at the same time. Where jest has no times of an earlier run, it goes by the files' size,
 * which says nothing of them.
 */
const path = require("node:path");
const { default: Sequencer } = require("@jest/test-sequencer");

/** Seconds on two cores with another file beside. */
const seconds = {
  growth: 700,
  "migration-online": 630,
  drill: 510,
  "migration-rollback": 490,
  local: 450,
  production: 430,
  backup: 400,
  "migration-kill": 380,
  story: 330,
  "migration-damage": 270,
  "migration-live": 250,
  "migration-switch": 250,
  "provider-behaviours": 190,
  "embedded-kubernetes": 180,
  "migration-commands": 170,
  legacy: 50,
};

/** One that has not been measured yet. */
const unknown = 300;

const length = ({ path: file }) => seconds[path.basename(file, ".test.ts")] ?? unknown;

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    return [...tests].sort((one, other) => length(other) - length(one));
  }
};
