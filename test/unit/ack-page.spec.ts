import { describe, expect, it } from '@jest/globals';
import { ackPage, noAckPage, shownName, type AckView } from '../../src/escalations/ack-page.js';

const AT = Date.UTC(2026, 6, 2, 12, 30);
const OPTIONS = { brand: 'Herald', locale: 'en-GB', timeZone: 'Europe/Vienna' };
const OPEN: AckView = { ruleName: 'refund-risk', state: 'open', nextAt: AT, reason: null };
const DONE: AckView = { ...OPEN, state: 'acknowledged', nextAt: null, acknowledged: { at: AT, who: 'Maya' } };

describe('the page that acknowledges', () => {
  it('asks with one button that posts to where it stands, and says what happens without it', () => {
    const html = ackPage([OPEN], OPTIONS);
    expect(html.match(/<button>/g)).toHaveLength(1);
    expect(html).toContain('<form method="post">');
    expect(html).toContain('“refund-risk”');
    expect(html).toMatch(/the next are told <time datetime="2026-07-02T12:30:00.000Z">.*14:30:00.*<\/time>/);
  });

  it('still asks when everybody was told', () => {
    const html = ackPage([{ ...OPEN, state: 'exhausted', nextAt: null }], OPTIONS);
    expect(html).toContain('<button>');
    expect(html).toContain('everybody has been told');
  });

  it('says who acknowledged and when, and asks no more', () => {
    const html = ackPage([DONE], OPTIONS);
    expect(html).not.toContain('<button>');
    expect(html).toContain('<h1>It is taken care of</h1>');
    expect(html).toMatch(/acknowledged by <b dir="auto">Maya<\/b>, <time[^>]*>.*14:30/);
  });

  it('names nobody whose name was erased', () => {
    expect(ackPage([{ ...DONE, acknowledged: { at: AT } }], OPTIONS)).toMatch(/was acknowledged, <time/);
  });

  it('says so when there is nothing to do any more', () => {
    const html = ackPage([{ ...OPEN, state: 'stopped', nextAt: null, reason: 'the rule was deleted' }], OPTIONS);
    expect(html).toContain('stopped: the rule was deleted');
    expect(html).not.toContain('<button>');
  });

  it('asks once for several rules that one message told of', () => {
    const html = ackPage([DONE, { ...OPEN, ruleName: 'legal-threat' }], OPTIONS);
    expect(html.match(/<button>/g)).toHaveLength(1);
    expect(html).toContain('“refund-risk” was acknowledged');
    expect(html).toContain('“legal-threat” waits');
  });

  it('escapes everything that came from outside, and bears a zone that is none', () => {
    const evil = `"><script>alert('x')</script>&`;
    const html = ackPage(
      [
        { ...DONE, ruleName: evil, acknowledged: { at: AT, who: evil } },
        { ...OPEN, ruleName: evil, state: 'stopped', reason: evil },
      ],
      { brand: evil, locale: evil, timeZone: evil },
    );
    expect(html).not.toContain('<script');
    expect(html.match(/&#60;script&#62;/g)).toHaveLength(5);
    expect(html).toContain('12:30');
  });

  it('runs nothing, loads nothing, is not indexed, and is made for dark screens and thumbs', () => {
    for (const html of [ackPage([OPEN], OPTIONS), ackPage([DONE], OPTIONS), noAckPage()]) {
      expect(html).not.toMatch(/<script|<link|<img|@import|url\(|\son\w+=|href=|action=/i);
      expect(html).toContain('noindex');
      expect(html).toContain('prefers-color-scheme:dark');
      expect(html).toContain('width=device-width');
    }
  });
});

describe('who acknowledged, as others read it', () => {
  it.each([
    [{ name: 'Maya', address: 'maya@example.com' }, 'Maya'],
    [{ address: 'maya@example.com' }, 'm…@example.com'],
    [{ address: '+14155550100' }, '…100'],
    [{ name: '', address: '' }, undefined],
  ])('of %j is %s', (who, shown) => {
    expect(shownName(who)).toBe(shown);
  });
});
