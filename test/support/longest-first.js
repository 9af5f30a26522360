import Sequencer from '@jest/test-sequencer';

/**
 * Suites that take longest, the longest first. Without its cache Jest goes by the size of a file, and a run that begins such a suite last
 * ends with one busy worker. The order matters to nothing else: a suite that is missing here costs time, no more.
 */
const LONGEST = [
  'chaos/random-kills',
  'e2e/machine-postgres',
  'chaos/keeping-kills',
  'e2e/jobs',
  'chaos/traced-kills',
  'e2e/deliveries',
  'e2e/doubt',
  'e2e/machine-disk',
  'e2e/restart',
  'e2e/hook',
  'e2e/overdue',
  'integration/vendor-faults',
  'integration/late-jobs',
  'chaos/placed-kills',
  'e2e/alerts',
  'e2e/machine-sockets',
  'integration/channel-gate',
  'e2e/machine-clock',
  'e2e/backup',
  'e2e/large-bodies',
  'e2e/machine-lock',
  'e2e/callbacks',
];

export default class LongestFirst extends Sequencer {
  sort(tests) {
    return super.sort(tests).sort((a, b) => rank(a.path) - rank(b.path));
  }
}

function rank(file) {
  const found = LONGEST.findIndex((name) => file.replaceAll('\\', '/').endsWith(`/${name}.spec.ts`));
  return found < 0 ? LONGEST.length : found;
}
