/**
 * Time to evaluate rules over one transcript: 1,000 rules of 5 phrases each, an hour of speech (10,000 words).
 * Run: npm run build && node bench/rules.bench.mjs [rules] [words]
 */
import { compileRule, evaluateRules } from '../dist/rules/evaluate.js';
import { toFacts } from '../dist/transcripts/facts.js';
import { toSpeech } from '../dist/transcripts/speech.js';

const [ruleCount = 1000, wordCount = 10_000] = process.argv.slice(2).map(Number);
const ROUNDS = 30;

// A fixed generator: the same words and rules on every machine.
let state = 42;
const random = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
// Frequent words are frequent, as in speech.
const vocabulary = Array.from({ length: 3000 }, (_, i) => `word${i}`);
const word = () => vocabulary[Math.floor(vocabulary.length * random() ** 3)];

const words = Array.from({ length: wordCount }, (_, i) => ({
  text: i % 9 === 0 ? `${word()},` : word(),
  start: i * 0.36,
  end: i * 0.36 + 0.3,
  confidence: 0.98,
  channel: 0,
  speaker: String(Math.floor(i / 20) % 2),
}));
const transcript = {
  requestId: 'bench',
  text: words.map(({ text }) => text).join(' '),
  duration: wordCount * 0.36,
  confidence: 0.98,
  channels: 1,
  speakers: ['0', '1'].map((id) => ({
    id,
    label: `Speaker ${Number(id) + 1}`,
    channel: 0,
    words: wordCount / 2,
    talk: 1500,
  })),
  words,
  utterances: [],
  sentiments: [],
  topics: [],
  intents: [],
  entities: [],
  search: [],
  extra: {},
  tags: [],
  models: [],
  warnings: [],
};

// Rules listen for words of any frequency; filler words ("the", one word in fourteen) are no more likely than others.
const term = () => vocabulary[Math.floor(vocabulary.length * random())];
const phrase = () => `'${term()}${random() < 0.6 ? ` ${term()}` : ''}'`;
const condition = () =>
  `speech.by('${random() < 0.5 ? 0 : 1}').says(${phrase()}) || speech.says(${phrase()}) && speech.says(${phrase()})` +
  ` || speech.last(60).saysAny([${phrase()}, ${phrase()}])`;
const rules = Array.from({ length: ruleCount }, (_, i) => ({
  id: `rule-${i}`,
  version: 1,
  createdAt: 0,
  updatedAt: 0,
  name: `rule ${i}`,
  enabled: true,
  on: 'transcript.completed',
  when: condition(),
  actions: [],
  stop: false,
  order: 100,
}));

const timed = (work) => {
  const started = performance.now();
  const result = work();
  return [performance.now() - started, result];
};
const summary = (times) => {
  const sorted = times.toSorted((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)].toFixed(1)} ms (first ${times[0].toFixed(1)}, best ${sorted[0].toFixed(1)})`;
};

const [compileMs, compiled] = timed(() => rules.map(compileRule));
const job = { id: 'job', origin: 'api', tags: {}, options: {}, createdAt: 0 };
const facts = toFacts(job, { transcript });
const index = [];
const evaluate = [];
let matched = 0;
for (let round = 0; round < ROUNDS; round++) {
  const [indexMs, speech] = timed(() => toSpeech(transcript));
  const [evaluateMs, { matches }] = timed(() => evaluateRules(compiled, facts, speech));
  index.push(indexMs);
  evaluate.push(evaluateMs);
  matched = matches.length;
}
console.log(`${ruleCount} rules of 5 phrases, ${wordCount} words, ${matched} rules match, median of ${ROUNDS}:`);
console.log(`  compile all rules, once a version   ${compileMs.toFixed(1)} ms`);
console.log(`  index the words, once a transcript  ${summary(index)}`);
console.log(`  evaluate all rules                  ${summary(evaluate)}`);
