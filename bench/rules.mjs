/**
 * 1,000 rules of 5 phrases each over an hour of speech (10,000 words): the whole evaluation, from the words of the transcript to the rules that
 * match, with every condition's outcome and the words that were found; beside json-rules-engine and json-logic-engine on the same conditions,
 * which answer true or false. Each of them works on its own best form of the same facts: for them, folded texts in which a phrase is looked for.
 * Run: npm run build && node bench/rules.mjs [rules] [words] [rounds]
 */
import { Engine } from 'json-rules-engine';
import { LogicEngine } from 'json-logic-engine';
import { compileRule, evaluateRules } from '../dist/rules/evaluate.js';
import { toFacts } from '../dist/transcripts/facts.js';
import { tokenize } from '../dist/transcripts/phrase.js';
import { toSpeech } from '../dist/transcripts/speech.js';

const [ruleCount = 1000, wordCount = 10_000, ROUNDS = 30] = process.argv.slice(2).map(Number);
const LIMIT_MS = 25;
const WARM_UP = 10;

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
const duration = wordCount * 0.36;
const transcript = {
  requestId: 'bench',
  text: words.map(({ text }) => text).join(' '),
  duration,
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
const phrase = () => `${term()}${random() < 0.6 ? ` ${term()}` : ''}`;
const conditions = Array.from({ length: ruleCount }, () => ({
  speaker: random() < 0.5 ? '0' : '1',
  phrases: Array.from({ length: 5 }, phrase),
}));

/** by(speaker) a || anybody b and c || in the last minute d or e */
const asHerald = ({ speaker, phrases: [a, b, c, d, e] }) =>
  `speech.by('${speaker}').says('${a}') || speech.says('${b}') && speech.says('${c}')` +
  ` || speech.last(60).saysAny(['${d}', '${e}'])`;
const asJsonRules = ({ speaker, phrases: [a, b, c, d, e] }) => {
  const says = (fact, value) => ({ fact, operator: 'says', value: ` ${value} ` });
  return {
    any: [
      says(`by${speaker}`, a),
      { all: [says('said', b), says('said', c)] },
      { any: [says('late', d), says('late', e)] },
    ],
  };
};
const asJsonLogic = ({ speaker, phrases: [a, b, c, d, e] }) => {
  const says = (fact, value) => ({ in: [` ${value} `, { var: fact }] });
  return {
    or: [says(`by${speaker}`, a), { and: [says('said', b), says('said', c)] }, says('late', d), says('late', e)],
  };
};

/** Texts for engines that know no words: folded, between blanks, a bar where the speaker changes. */
function textFacts() {
  const folded = words.map(({ text }) => tokenize(text).join(' '));
  const textOf = (isInside) => {
    const parts = [];
    let before;
    words.forEach((one, i) => {
      if (!isInside(one)) return;
      if (before !== undefined && (before !== i - 1 || words[before].speaker !== one.speaker)) parts.push('|');
      parts.push(folded[i]);
      before = i;
    });
    return ` ${parts.join(' ')} `;
  };
  return {
    said: textOf(() => true),
    by0: textOf(({ speaker }) => speaker === '0'),
    by1: textOf(({ speaker }) => speaker === '1'),
    late: textOf(({ start }) => start >= duration - 60),
  };
}

async function measure(work) {
  for (let round = 0; round < WARM_UP; round++) await work();
  const times = [];
  let result;
  const processor = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    result = await work();
    times.push(performance.now() - started);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const { user, system } = process.cpuUsage(processor);
  return { median, best: sorted[0], processor: (user + system) / 1000 / ROUNDS, result };
}

function line(name, { median, best, processor, result }) {
  const ms = (value) => `${value.toFixed(1)} ms`;
  console.log(
    `  ${name.padEnd(34)} ${ms(median).padStart(9)}   (best ${ms(best)}, processor time ${ms(processor)}; ${result} rules match)`,
  );
}

// ---- Herald ----
const rules = conditions.map((condition, i) => ({
  ...{ id: `rule-${i}`, version: 1, createdAt: 0, updatedAt: 0, name: `rule ${String(i).padStart(5, '0')}` },
  ...{ enabled: true, on: 'transcript.completed', when: asHerald(condition), actions: [], stop: false, order: 100 },
}));
const compileStarted = performance.now();
const compiled = rules.map(compileRule);
const compileMs = performance.now() - compileStarted;
const job = { id: 'job', origin: 'api', tags: {}, options: {}, createdAt: 0 };
const evaluate = () => evaluateRules(compiled, toFacts(job, { transcript }), toSpeech(transcript));
const herald = await measure(() => evaluate().matches.length);
const index = await measure(() => toSpeech(transcript) && 0);

// ---- peers ----
const logic = new LogicEngine();
const logicRules = conditions.map((condition) => logic.build(asJsonLogic(condition)));
const jsonLogic = await measure(() => {
  const facts = textFacts();
  return logicRules.filter((rule) => rule(facts)).length;
});

const engine = new Engine();
engine.addOperator('says', (fact, value) => fact.includes(value));
conditions.forEach((condition, i) => {
  engine.addRule({ name: `rule ${i}`, conditions: asJsonRules(condition), event: { type: `rule-${i}` } });
});
const jsonRules = await measure(async () => (await engine.run(textFacts())).events.length);

console.log(`${ruleCount} rules of 5 phrases, ${wordCount} words, median of ${ROUNDS} whole evaluations:`);
line('Herald', herald);
line('json-logic-engine, compiled', jsonLogic);
line('json-rules-engine', jsonRules);
console.log(
  `  of Herald's: making the word index  ${index.median.toFixed(1)} ms; compiling, once a version: ${compileMs.toFixed(1)} ms`,
);

const matched = new Set(evaluate().matches.map(({ rule }) => rule.id));
const differ = conditions.filter((_, i) => logicRules[i](textFacts()) !== matched.has(`rule-${i}`)).length;
if (differ > 0 || jsonRules.result !== matched.size)
  throw new Error(`the engines do not agree: ${differ} rules differ`);
if (herald.median > LIMIT_MS) {
  console.error(`  more than ${LIMIT_MS} ms`);
  process.exitCode = 1;
}
