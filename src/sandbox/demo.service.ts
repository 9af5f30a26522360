import { stat, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SECOND } from '../duration.js';
import type { Transcript } from '../transcripts/transcript.js';
import { CALL_AUDIO } from './bundled-call.service.js';
import { DemoApi } from './demo-api.service.js';
import {
  nextSteps,
  OPTIONS,
  RULES,
  type DeliveryView,
  type JobView,
  type Outcome,
  type SentDelivery,
} from './demo-call.js';
import { diagnose } from './demo-diagnosis.service.js';
import { startDemoHerald, type DemoHerald } from './demo-herald.service.js';
import { planDemo, type DemoPlan } from './demo-plan.js';
import { DemoStandIns } from './demo-stand-ins.service.js';
import { createPaint } from './paint.js';
import { kilobytes, Story, type MailView, type SmsView, type TranscriptView } from './story.js';

const TIMEOUT_MS = 60 * SECOND;
/** Of the whole: from the upload to the transcript, and from there to the last message. */
const TRANSCRIPT_MS = 40 * SECOND;
const MESSAGES_MS = 15 * SECOND;
const MAIL_LINES = 22;

export interface DemoOptions {
  /** End by itself when the story is told; otherwise stay up until Ctrl-C. */
  exit: boolean;
  env: Record<string, string | undefined>;
  out: NodeJS.WritableStream & { isTTY?: boolean };
}

/**
 * Starts Herald with stand-ins for its vendors (or the real ones, where variables name them), sends the bundled call through it and
 * tells what happens.
 * @returns the exit code: 0 when both messages went out
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  return new Demo(options).run();
}

class Demo {
  private readonly story: Story;
  private readonly began = Date.now();
  private readonly stopped = new AbortController();
  /** The story is over: what arrives from now on is the reader's doing. */
  private told = false;
  private doing = 'reading the variables';
  private folder: string | undefined;
  private jobId: string | undefined;
  private standIns: DemoStandIns | undefined;
  private herald: DemoHerald | undefined;

  constructor(private readonly options: DemoOptions) {
    const { env, out } = options;
    this.story = new Story(createPaint(out.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'));
  }

  async run(): Promise<number> {
    const stop = (): void => {
      this.stopped.abort();
    };
    // Kept until the end: a second signal must not end the process before the folder is gone.
    process.on('SIGINT', stop).on('SIGTERM', stop);
    let failed = false;
    try {
      await this.tell(AbortSignal.any([this.stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]));
      this.told = true;
      if (!this.options.exit) await aborted(this.stopped.signal);
      return 0;
    } catch (error) {
      if (this.stopped.signal.aborted) return 130;
      failed = true;
      this.say(this.story.failed(this.doing, await this.explain(error)));
      return 1;
    } finally {
      await this.cleanUp(failed && this.herald !== undefined);
      process.off('SIGINT', stop).off('SIGTERM', stop);
    }
  }

  private async tell(signal: AbortSignal): Promise<void> {
    const { story } = this;
    this.say(story.title());
    const plan = planDemo(this.options.env);
    const herald = await this.start(plan);
    const api = new DemoApi(herald.url, herald.key, signal);

    await this.addRules(api);
    const uploadedAt = Date.now();
    const job = await this.upload(api, plan);
    const transcript = await this.awaitTranscript(api, job.id);
    const done = await this.awaitMessages(api, job.id);
    this.say(
      story.heading('The rules are evaluated', `${String(done.evaluations.length)} rules, once for each transcript`),
    );
    this.say(story.evaluations(done.evaluations, transcript));
    this.showMail(done, plan);
    this.showSms(done, plan);
    this.say(story.done({ total: Date.now() - this.began, toMessages: Date.now() - uploadedAt }));
    this.say(this.options.exit ? story.ended() : story.closer(nextSteps(job.id, done.deliveries, herald)));
  }

  private async start(plan: DemoPlan): Promise<DemoHerald> {
    this.doing = 'starting the stand-ins';
    this.standIns = new DemoStandIns(plan, (what, to, text) => {
      if (this.told) this.say(this.story.arrived(what, to, text));
    });
    await this.standIns.start();
    this.doing = 'starting Herald';
    this.folder = await mkdtemp(join(tmpdir(), 'herald-demo-'));
    const { folder } = this;
    this.herald = await startDemoHerald(plan, { ...plan.passed, ...this.standIns.env }, folder);
    const { url, log } = this.herald;
    this.say(this.story.services(this.standIns.views, { url, folder, log }));
    return this.herald;
  }

  private async addRules(api: DemoApi): Promise<void> {
    this.doing = 'adding the rules';
    for (const rule of RULES) await api.post('/v1/rules', rule);
    this.say(this.story.heading('Two rules are added to those that Herald begins with', 'POST /v1/rules'));
    this.say(
      this.story.rules(RULES.map(({ name, when }) => ({ name, when, sends: 'e-mail to {{job.tags.manager}}' }))),
    );
  }

  private async upload(api: DemoApi, { email, manager, phone }: DemoPlan): Promise<JobView> {
    this.doing = 'submitting the call';
    const tags = { client: 'Birch and Brook', email, manager, phone };
    const began = Date.now();
    const job = await api.upload<JobView>('/v1/jobs', { options: OPTIONS, tags }, CALL_AUDIO, 'audio/ogg');
    this.jobId = job.id;
    this.say(this.story.heading('A recorded call is uploaded', `POST /v1/jobs, 202 after ${since(began)}`));
    const { size } = await stat(CALL_AUDIO);
    this.say(this.story.submitted({ id: job.id, audio: 'assets/call.ogg', bytes: size, tags }));
    return job;
  }

  private async awaitTranscript(api: DemoApi, id: string): Promise<TranscriptView> {
    this.doing = 'waiting for the transcript';
    await api.until<JobView>(
      `/v1/jobs/${id}`,
      (job) => {
        if (job.state !== 'failed') return job.state === 'completed';
        throw new Error(`Deepgram failed the job: ${job.failure?.code ?? ''} ${job.failure?.message ?? ''}`);
      },
      TRANSCRIPT_MS,
    );
    const transcript = await api.get<Transcript>(`/v1/transcripts/${id}`);
    const callback = this.standIns?.deepgram?.callbacks.at(-1);
    const note = callback
      ? `POST /hook/…, ${kilobytes(callback.bytes)}, on disk and answered ${String(callback.status)} after ${String(callback.ms)} ms`
      : 'POST /hook/…';
    const view = { ...transcript, words: transcript.words.length };
    this.say(this.story.heading('Deepgram calls back', note));
    this.say(this.story.transcribed(view));
    return view;
  }

  /** Every message is out, and the SMS reported as delivered where the stand-in reports. */
  private async awaitMessages(api: DemoApi, id: string): Promise<Outcome> {
    this.doing = 'waiting for the messages';
    const job = await api.until<JobView>(
      `/v1/jobs/${id}`,
      (now) => {
        const refused = now.deliveries.find(({ state }) => !['queued', 'sending', 'sent', 'delivered'].includes(state));
        if (refused) {
          throw new Error(`the ${refused.channel} of ${refused.ruleName} is ${refused.state}: ${refused.reason ?? ''}`);
        }
        const out = now.deliveries.filter((delivery) => this.isOut(delivery));
        return out.length > 0 && out.length === now.deliveries.length;
      },
      MESSAGES_MS,
    );
    const deliveries = await Promise.all(
      job.deliveries.map((one) => api.get<SentDelivery>(`/v1/deliveries/${one.id}`)),
    );
    return { evaluations: job.evaluations, deliveries };
  }

  private isOut({ channel, state }: DeliveryView): boolean {
    return state === 'delivered' || (state === 'sent' && (channel === 'email' || !this.standIns?.twilio));
  }

  private showMail(job: Outcome, plan: DemoPlan): void {
    this.doing = 'showing the e-mail';
    const mails = job.deliveries.filter(({ channel }) => channel === 'email');
    const shown = mails.find(({ ruleName }) => ruleName === RULES[0]?.name) ?? mails[0];
    if (!shown) throw new Error('no rule sent an e-mail');
    this.say(
      this.story.heading('The e-mail', this.standIns?.smtp ? 'as the mail server got it' : 'taken by the mail server'),
    );
    this.say(this.story.mail(this.mailOf(shown, plan), MAIL_LINES));
    for (const { ruleName, to } of mails.filter((mail) => mail !== shown)) {
      this.say(this.story.note(`${ruleName} sent one to ${to} as well.`));
    }
  }

  private mailOf(delivery: SentDelivery, plan: DemoPlan): MailView {
    const arrived = this.standIns?.smtp?.mails.find(({ messageId }) => messageId.includes(delivery.id));
    if (arrived) {
      const attachments = arrived.attachments.map(({ filename }) => filename);
      return { ...arrived, to: arrived.to.join(', '), attachments };
    }
    const { message, to } = delivery;
    if (this.standIns?.smtp || message?.kind !== 'email') throw new Error('the e-mail did not arrive');
    return { from: plan.passed.MAIL_FROM ?? '', to, ...message };
  }

  private showSms(job: Outcome, plan: DemoPlan): void {
    this.doing = 'showing the SMS';
    const delivery = job.deliveries.find(({ channel }) => channel === 'sms');
    if (delivery?.message?.kind !== 'sms') throw new Error('no rule sent an SMS');
    const note = this.standIns?.twilio ? 'as Twilio got it; delivered, says its signed report' : 'taken by Twilio';
    this.say(this.story.heading('The text message', note));
    this.say(this.story.sms(this.smsOf(delivery.to, delivery.message, plan)));
  }

  private smsOf(to: string, message: { text: string; segments: number; encoding: string }, plan: DemoPlan): SmsView {
    const { TWILIO_FROM, TWILIO_MESSAGING_SERVICE_SID } = plan.passed;
    const arrived = this.standIns?.twilio?.messages.find(({ form }) => form.To === to);
    if (!arrived && this.standIns?.twilio) throw new Error('the SMS did not arrive');
    const from = arrived?.message.from ?? TWILIO_FROM ?? TWILIO_MESSAGING_SERVICE_SID ?? '';
    return { ...message, from, to, text: arrived?.message.body ?? message.text };
  }

  private async explain(error: unknown): Promise<string> {
    const late = error instanceof Error && error.name === 'TimeoutError';
    const why = error instanceof Error ? error.message : String(error);
    const lines = [late ? `Nothing more happened within ${String(TIMEOUT_MS / SECOND)} s.` : why];
    for (const { status, error: fault } of this.standIns?.deepgram?.callbacks.slice(-1) ?? []) {
      if (status !== 200) lines.push(`The last callback was answered ${String(status ?? fault)}.`);
    }
    if (this.herald) lines.push(...(await diagnose(this.herald, this.jobId)));
    return lines.join('\n');
  }

  private async cleanUp(keepFolder: boolean): Promise<void> {
    await this.herald?.stop().catch(() => undefined);
    await this.standIns?.stop();
    if (this.folder !== undefined && !keepFolder) await rm(this.folder, { recursive: true, force: true });
  }

  private say(lines: string[]): void {
    this.options.out.write(`${lines.join('\n')}\n`);
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
}

function since(began: number): string {
  return `${String(Date.now() - began)} ms`;
}
