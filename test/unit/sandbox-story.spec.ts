import { describe, expect, it } from '@jest/globals';
import type { Evaluation } from '../../src/rules/rule.js';
import { createPaint, padEnd, shownLength, wrap } from '../../src/sandbox/paint.js';
import { Story } from '../../src/sandbox/story.js';

const TRANSCRIPT = {
  text: 'Good morning. I would like a refund, please.',
  duration: 62.01,
  words: 8,
  speakers: [
    { id: '0', label: 'Speaker 1' },
    { id: '1', label: 'Speaker 2' },
  ],
};

const MATCHED: Evaluation = {
  ruleId: '1',
  ruleName: 'refund-risk',
  ruleVersion: 1,
  matched: true,
  matches: [],
  conditions: [
    {
      text: "speech.by('1').says('refund')",
      result: true,
      matches: [{ text: 'refund,', speaker: '1', channel: 0, start: 28.844, end: 29.3 }],
    },
    { text: 'transcript.duration > 30', result: true, matches: [] },
  ],
};
const UNMATCHED: Evaluation = {
  ...MATCHED,
  ruleName: 'legal-threat',
  matched: false,
  conditions: [
    { text: "speech.says('lawyer')", result: false, matches: [] },
    { text: 'transcript.duration > 30', result: undefined, matches: [] },
  ],
};

const told = (lines: string[]): string => lines.join('\n');

describe('the story of the demo', () => {
  const story = new Story(createPaint(false));

  it('shows the words that made a rule match, with speaker and seconds, before the rules that did not', () => {
    const text = told(story.evaluations([UNMATCHED, MATCHED], TRANSCRIPT));
    expect(text).toMatch(/✓ speech\.by\('1'\)\.says\('refund'\) +“refund,” Speaker 2 at 28\.8 s/);
    expect(text.indexOf('✓ refund-risk')).toBeLessThan(text.indexOf('✗ legal-threat'));
  });

  it('says why a rule did not match', () => {
    const text = told(story.evaluations([UNMATCHED], TRANSCRIPT));
    expect(text).toMatch(/✗ speech\.says\('lawyer'\) +nobody says it/);
    expect(text).toMatch(/· transcript\.duration > 30 +not looked at: decided already/);
  });

  it('says that a rule failed, or was not looked at', () => {
    const failed = { ...UNMATCHED, error: 'transcript.summary is absent' };
    expect(told(story.evaluations([failed], TRANSCRIPT))).toContain('transcript.summary is absent');
    const skipped = { ...UNMATCHED, conditions: [], skippedBy: 'refund-risk' };
    expect(told(story.evaluations([skipped], TRANSCRIPT))).toContain('not looked at: refund-risk stops here');
  });

  it('shows the first lines of a mail and counts the rest', () => {
    const mail = { from: 'a@b.example', to: 'c@d.example', subject: 'Hello', text: 'one\ntwo\nthree', attachments: [] };
    const text = told(story.mail(mail, 2));
    expect(text).toContain('Subject  Hello');
    expect(text).toContain('two');
    expect(text).not.toContain('three');
    expect(text).toContain('… 1 more line, and the same as HTML');
  });

  it.each([
    ['GSM-7', 1, 'x', 'GSM-7, 1 of 160 characters, 1 segment'],
    ['GSM-7', 2, 'x'.repeat(200), 'GSM-7, 200 of 306 characters, 2 segments'],
    ['UCS-2', 1, 'я', 'UCS-2, 1 of 70 characters, 1 segment'],
  ])('counts an SMS in %s of %i segments', (encoding, segments, text, size) => {
    expect(told(story.sms({ from: '+1', to: '+2', text, encoding, segments }))).toContain(size);
  });

  it('says which services are real, and that nothing leaves the machine when none is', () => {
    const home = { url: 'http://127.0.0.1:3000', folder: '/tmp/x', log: '/tmp/x/herald.log' };
    const service = { name: 'SMS', real: false, where: 'http://127.0.0.1:1' };
    expect(told(story.services([service], home))).toContain('nothing leaves it');
    expect(told(story.services([{ ...service, real: true }], home))).toContain('Real services are used: SMS');
  });

  it('numbers its steps', () => {
    const fresh = new Story(createPaint(false));
    expect([fresh.heading('A', 'x'), fresh.heading('B', 'y')].map((lines) => lines[1]?.slice(0, 6))).toEqual([
      '  1  A',
      '  2  B',
    ]);
  });

  it('keeps every line within 100 columns, whatever is told', () => {
    const long = 'word '.repeat(80).trim();
    const lines = [
      ...story.mail({ from: 'a', to: 'b', subject: 'c', text: long, attachments: [] }, 5),
      ...story.sms({ from: 'a', to: 'b', text: long, encoding: 'GSM-7', segments: 3 }),
      ...story.transcribed({ ...TRANSCRIPT, text: long }),
      ...story.evaluations([MATCHED, UNMATCHED], TRANSCRIPT),
      ...story.failed('trying', long),
    ];
    expect(Math.max(...lines.map(shownLength))).toBeLessThanOrEqual(100);
  });
});

describe('paint', () => {
  it('leaves text alone without colours, and counts only what is shown with them', () => {
    expect(createPaint(false).bold('x')).toBe('x');
    const bold = createPaint(true).bold('x');
    expect(bold).not.toBe('x');
    expect(shownLength(bold)).toBe(1);
    expect(shownLength(padEnd(bold, 5))).toBe(5);
  });

  it('wraps between words and never inside one', () => {
    expect(wrap('aa bb cccccccc d', 5)).toEqual(['aa bb', 'cccccccc', 'd']);
    expect(wrap('', 5)).toEqual(['']);
  });
});
