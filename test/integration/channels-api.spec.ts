import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestApp } from '../support/app.js';
import { freePort } from '../support/server.js';

describe('channels', () => {
  let herald: TestApp;
  beforeAll(async () => {
    const port = await freePort();
    herald = await TestApp.start('SQLite', {
      env: { SMTP_URL: `smtp://someone:smtp-password@127.0.0.1:${String(port)}`, MAIL_FROM: 'herald@example.com' },
    });
  });
  afterAll(() => herald.close());

  it('are listed with what is set, and without a secret', async () => {
    const { status, body } = await herald.get('/v1/channels');
    expect(status).toBe(200);
    expect(body.items).toMatchObject([
      { name: 'email', kind: 'email', captures: false },
      { name: 'sms', kind: 'sms', captures: true },
    ]);
    expect(body.items[0].settings).toContainEqual(
      expect.objectContaining({ name: 'SMTP_URL', sensitive: true, configured: true }),
    );
    expect(JSON.stringify(body)).not.toMatch(/smtp-password|someone|herald@example/);
  });

  it('take a test message, and say that it was captured', async () => {
    const answer = await herald.api('POST', '/v1/channels/sms/test', { to: '+44 7911 123456' });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ captured: true, providerMessageId: expect.stringContaining('captured-') });
  });

  it('say why a test message did not go out, with class and code, and without the address', async () => {
    const answer = await herald.api('POST', '/v1/channels/email/test', { to: 'ann@example.com' });
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body.detail).toMatch(/could not be sent now.*ECONNREFUSED|ESOCKET/);
    expect(JSON.stringify([answer.body, herald.lines])).not.toMatch(/ann@example|smtp-password/);
  });

  it('refuse an address that is none, an unknown channel, and unknown fields', async () => {
    const wrong = await herald.api('POST', '/v1/channels/email/test', { to: 'a@example.com, b@example.com' });
    expect(wrong.status).toBe(422);
    expect(wrong.body).toMatchObject({ code: 'RECIPIENT_INVALID', errors: [{ pointer: '/to' }] });
    const unknown = await herald.api('POST', '/v1/channels/emial/test', { to: 'a@example.com' });
    expect(unknown.status).toBe(404);
    expect(unknown.body.errors).toMatchObject([{ suggestion: 'email' }]);
    expect((await herald.api('POST', '/v1/channels/sms/test', { to: '+447911123456', raw: 'x' })).status).toBe(400);
    expect((await herald.api('POST', '/v1/channels/sms/test', { to: { $ne: 1 } })).status).toBe(400);
  });

  it('write an audit row for a test', async () => {
    const { items } = (await herald.get('/v1/audit?action=channel.tested')).body;
    expect(items.length).toBeGreaterThan(0);
    expect(JSON.stringify(items)).not.toMatch(/447911|example\.com/);
  });
});
