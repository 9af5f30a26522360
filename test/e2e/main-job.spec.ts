import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmulator } from 'emulate';
import { openAsBlob } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DeepgramStandIn } from '../../src/sandbox/deepgram-stand-in.service.js';
import { SmtpStandIn } from '../../src/sandbox/smtp-stand-in.service.js';
import { freePort, TestServer } from '../support/server.js';

const AUDIO = fileURLToPath(new URL('../../assets/call.ogg', import.meta.url));
const SID = 'AC00000000000000000000000000000000';
const TOKEN = 'twilio_test_auth_token';
const FROM = '+15551234567';

interface JobBody {
  id: string;
  state: string;
  transcriptId: string | null;
  callbacks: { state: string }[];
  evaluations: { ruleName: string; matched: boolean; matches: { text: string; speaker?: string; start: number }[] }[];
  deliveries: { id: string; channel: string; state: string }[];
}

/** Audio in, e-mail and SMS out: the built server, real HTTP and SMTP, the stateful Twilio emulator with its signed callbacks. */
describe('the main job', () => {
  const deepgram = new DeepgramStandIn({ apiKey: 'deepgram-key-of-the-tests' });
  const smtp = new SmtpStandIn();
  let twilio: Awaited<ReturnType<typeof createEmulator>>;
  let server: TestServer;

  beforeAll(async () => {
    const seed = { twilio: { account: { sid: SID, auth_token: TOKEN }, phone_numbers: [{ phone_number: FROM }] } };
    twilio = await createEmulator({ service: 'twilio', port: await freePort(), seed });
    server = await TestServer.start({
      DEEPGRAM_API_KEY: 'deepgram-key-of-the-tests',
      DEEPGRAM_BASE_URL: await deepgram.start(),
      SMTP_URL: await smtp.start(),
      MAIL_FROM: 'Herald <herald@clinic.example>',
      TWILIO_ACCOUNT_SID: SID,
      TWILIO_AUTH_TOKEN: TOKEN,
      TWILIO_FROM: FROM,
      TWILIO_BASE_URL: twilio.url,
    });
  });

  afterAll(async () => {
    await server.stop();
    await twilio.close();
    await smtp.stop();
    await deepgram.stop();
  });

  async function upload(tags: Record<string, string>): Promise<JobBody> {
    const form = new FormData();
    const options = { model: 'nova-3', smart_format: true, diarize_model: 'latest', utterances: true, summarize: 'v2' };
    form.append('request', JSON.stringify({ options, tags }));
    form.append('audio', await openAsBlob(AUDIO, { type: 'audio/ogg' }), 'call.ogg');
    const { status, body } = await server.api<JobBody>('POST', '/v1/jobs', undefined, { body: form });
    expect(status).toBe(202);
    return body;
  }

  it('turns an upload into one e-mail and one SMS that Twilio reports as delivered', async () => {
    const { id } = await upload({ client: 'acme', email: 'dana@clinic.example', phone: '+14155552671' });
    const job = await server.until<JobBody, JobBody>(
      `/v1/jobs/${id}`,
      (body) =>
        body.deliveries.length === 2 && body.deliveries.every(({ state }) => /sent|delivered/.test(state)) && body,
    );
    expect(job).toMatchObject({ state: 'completed', transcriptId: id, callbacks: [{ state: 'settled' }] });

    const [mail] = smtp.mails;
    expect(smtp.mails).toHaveLength(1);
    expect(mail?.text).toContain('refund');
    expect(mail?.raw).toMatch(/^Message-ID: <[0-9a-f-]{36}@clinic\.example>/im);

    const sms = job.deliveries.find(({ channel }) => channel === 'sms')?.id ?? '';
    const shown = await server.get<{ message: { text: string; segments: number } }>(`/v1/deliveries/${sms}`);
    expect(shown.body.message.segments).toBe(1);
    expect(shown.body.message.text).toMatch(new RegExp(`${server.url}/t/[A-Za-z0-9_-]{32}$`));

    const sent = await fetch(`${twilio.url}/2010-04-01/Accounts/${SID}/Messages.json?To=%2B14155552671`, {
      headers: { authorization: `Basic ${Buffer.from(`${SID}:${TOKEN}`).toString('base64')}` },
    });
    const { messages } = (await sent.json()) as { messages: { sid: string; body: string }[] };
    expect(messages.map(({ body }) => body)).toEqual([shown.body.message.text]);
    const report = new URLSearchParams({ MessageSid: messages[0]?.sid ?? '', Status: 'delivered' });
    await fetch(`${twilio.url}/_twilio/simulate/message-status`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${SID}:${TOKEN}`).toString('base64')}` },
      body: report,
    });
    await server.until<{ state: string }, boolean>(`/v1/deliveries/${sms}`, ({ state }) => state === 'delivered');

    const page = await fetch(/http\S+$/.exec(shown.body.message.text)?.[0] ?? '');
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('refund');
  });

  it('shows the rule that matched and the words that made it match, with speaker and seconds', async () => {
    const rule = {
      name: 'refund-risk',
      when: "speech.by('1').says('refund') && transcript.duration > 30",
      actions: [
        { channel: 'email', to: ['{{job.tags.manager}}'], template: 'transcript-ready', attach: ['vtt', 'txt'] },
      ],
    };
    expect((await server.api('POST', '/v1/rules', rule)).status).toBe(201);
    const { id } = await upload({ manager: 'lead@clinic.example' });
    const job = await server.until<JobBody, JobBody>(
      `/v1/jobs/${id}`,
      (body) => body.deliveries[0]?.state === 'sent' && body,
    );
    const evaluation = job.evaluations.find(({ ruleName }) => ruleName === 'refund-risk');
    expect(evaluation?.matched).toBe(true);
    expect(evaluation?.matches[0]).toMatchObject({
      text: expect.stringMatching(/refund/i),
      speaker: '1',
      start: expect.any(Number),
    });
    const mail = smtp.mails.find(({ to }) => JSON.stringify(to).includes('lead@clinic.example'));
    expect(mail?.attachments.map(({ filename }) => filename).sort()).toEqual(['transcript.txt', 'transcript.vtt']);
  });

  it('keeps no audio once the transcript is stored, and says so', async () => {
    const { id } = await upload({});
    const job = await server.until<JobBody & { audio: { kept: boolean } }, { audio: { kept: boolean } }>(
      `/v1/jobs/${id}`,
      (body) => body.state === 'completed' && body,
    );
    expect(job.audio.kept).toBe(false);
  });
});
