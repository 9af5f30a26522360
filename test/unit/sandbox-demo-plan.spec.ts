import { describe, expect, it } from '@jest/globals';
import { planDemo } from '../../src/sandbox/demo-plan.js';

const TWILIO = { TWILIO_ACCOUNT_SID: 'AC1', TWILIO_AUTH_TOKEN: 'x', TWILIO_FROM: '+12125550100' };
const PUBLIC = { HERALD_PUBLIC_URL: 'https://herald.example/' };

describe('the plan of the demo', () => {
  it('uses stand-ins for everything when no variable names a vendor', () => {
    expect(planDemo({ PATH: '/bin', SMTP_URL: '' })).toEqual({
      real: { deepgram: false, email: false, sms: false },
      passed: {},
      email: 'nadia@birchandbrook.example',
      manager: 'manager@birchandbrook.example',
      phone: '+12125550142',
      port: undefined,
      publicUrl: undefined,
    });
  });

  it('never lends Herald the database, the secret or the keys of the caller', () => {
    const env = {
      ...{ DATABASE_URL: 'postgres://x', HERALD_SECRET: 's', HERALD_ADMIN_KEY: 'k', HERALD_DATA_DIR: '/d' },
      ...{ HERALD_HOOK_PASSWORD: 'p', HERALD_BRAND: 'Acme', DEEPGRAM_BASE_URL: 'https://x.example' },
    };
    expect(planDemo(env).passed).toEqual({ HERALD_BRAND: 'Acme' });
  });

  it('sends a real mail to whom the caller says, else to its sender, and to nobody invented', () => {
    const smtp = { SMTP_URL: 'smtp://a.example', MAIL_FROM: 'Herald <herald@a.example>' };
    expect(planDemo(smtp)).toMatchObject({ email: 'herald@a.example', manager: 'herald@a.example', passed: smtp });
    expect(planDemo({ ...smtp, DEMO_EMAIL: 'me@a.example' })).toMatchObject({ email: 'me@a.example' });
    expect(() => planDemo({ SMTP_URL: 'smtp://a.example' })).toThrow('Set MAIL_FROM');
  });

  it('sends a real SMS only to a number that the caller gave', () => {
    expect(() => planDemo({ ...TWILIO, ...PUBLIC })).toThrow('DEMO_PHONE');
    const plan = planDemo({ ...TWILIO, ...PUBLIC, DEMO_PHONE: '+14155550123' });
    expect(plan).toMatchObject({ phone: '+14155550123', publicUrl: 'https://herald.example', passed: TWILIO });
  });

  it('asks for a public address, and says how to get one, when a vendor has to call back', () => {
    const key = { DEEPGRAM_API_KEY: 'dg-secret', PORT: '8080' };
    expect(() => planDemo(key)).toThrow(
      /DEEPGRAM_API_KEY is set[^]*tunnel --url http:\/\/localhost:8080[^]*HERALD_PUBLIC_URL/,
    );
    expect(() => planDemo(key)).not.toThrow(/dg-secret/);
    expect(() => planDemo(TWILIO)).toThrow('TWILIO_ACCOUNT_SID is set');
    expect(planDemo({ ...key, ...PUBLIC })).toMatchObject({ port: 8080, real: { deepgram: true } });
  });

  it('keeps to loopback when only stand-ins call back', () => {
    expect(planDemo(PUBLIC).publicUrl).toBeUndefined();
  });

  it('refuses a port that is none', () => {
    expect(() => planDemo({ PORT: 'x' })).toThrow('PORT must be');
  });
});
