import { afterEach, describe, expect, it } from '@jest/globals';
import { createTransport, type Transporter } from 'nodemailer';
import { SmtpStandIn, type SmtpStandInOptions } from '../../src/sandbox/smtp-stand-in.service.js';

const MAIL = {
  from: 'Herald <herald@example.com>',
  to: 'ann@example.com',
  subject: 'Grüße',
  text: 'Hello',
  html: '<p>Hello</p>',
};

describe('the stand-in for a mail server', () => {
  let smtp: SmtpStandIn;
  let mailer: Transporter;
  let url: string;

  afterEach(async () => {
    mailer.close();
    await smtp.stop();
  });

  async function play(options: SmtpStandInOptions = {}, user = ''): Promise<void> {
    smtp = new SmtpStandIn(options);
    url = await smtp.start();
    mailer = createTransport(url.replace('//', `//${user}`));
  }

  it('keeps a mail with its parts, its attachment and its envelope', async () => {
    await play();
    const attachments = [{ filename: 'call.vtt', content: 'WEBVTT', contentType: 'text/vtt' }];
    const waiting = smtp.next();
    await mailer.sendMail({ ...MAIL, messageId: '<1@example.com>', attachments });
    expect(await waiting).toMatchObject({
      envelope: { from: 'herald@example.com', to: ['ann@example.com'] },
      from: 'Herald <herald@example.com>',
      to: ['ann@example.com'],
      subject: 'Grüße',
      messageId: '<1@example.com>',
      attachments: [{ filename: 'call.vtt', contentType: 'text/vtt', content: 'WEBVTT' }],
    });
    expect(smtp.mails[0]?.text.trim()).toBe('Hello');
    expect(smtp.mails[0]?.html).toContain('<p>Hello</p>');
    expect(smtp.mails[0]?.headers.subject).toHaveLength(1);
  });

  it('hands mails out in order, and says when none comes', async () => {
    await play();
    await mailer.sendMail({ ...MAIL, subject: '1' });
    await mailer.sendMail({ ...MAIL, subject: '2' });
    expect((await smtp.next()).subject).toBe('1');
    expect((await smtp.next()).subject).toBe('2');
    await expect(smtp.next(20)).rejects.toThrow('nothing arrived within 20 ms');
  });

  it.each([
    ['connect', 421],
    ['mail', 451],
    ['rcpt', 450],
    ['data', 554],
  ] as const)('refuses once at the stage %s with code %i', async (stage, code) => {
    await play();
    smtp.failNext(stage, code, 'no');
    await expect(mailer.sendMail(MAIL)).rejects.toMatchObject({ responseCode: code });
    await mailer.sendMail(MAIL);
    expect(smtp.mails).toHaveLength(1);
  });

  it('cuts the connection after it took a mail: nobody knows whether it was sent', async () => {
    await play();
    smtp.failNext('cut');
    await expect(mailer.sendMail(MAIL)).rejects.toThrow();
    expect(smtp.mails).toHaveLength(1);
  });

  it('refuses a recipient, and a mail that is too big', async () => {
    await play({ maxBytes: 20_000 });
    smtp.refuse('Gone@example.com');
    await expect(mailer.sendMail({ ...MAIL, to: 'gone@example.com' })).rejects.toMatchObject({ responseCode: 550 });
    await expect(mailer.sendMail({ ...MAIL, text: 'x'.repeat(50_000) })).rejects.toMatchObject({ responseCode: 552 });
    expect(smtp.mails).toHaveLength(0);
  });

  it('demands a password when it has one', async () => {
    const credentials = { user: 'ann', password: 'right' };
    await play({ credentials }, 'ann:wrong@');
    await expect(mailer.sendMail(MAIL)).rejects.toMatchObject({ responseCode: 535 });
    mailer.close();
    await smtp.stop();
    await play({ credentials }, 'ann:right@');
    await mailer.sendMail(MAIL);
    expect(smtp.mails).toHaveLength(1);
  });

  it('stops while a client is still connected', async () => {
    await play();
    mailer = createTransport(`${url}?pool=true`);
    await mailer.sendMail(MAIL);
    const started = Date.now();
    await smtp.stop();
    expect(Date.now() - started).toBeLessThan(1_000);
  });
});
