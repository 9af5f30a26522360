import { randomBytes } from 'node:crypto';
import { DeepgramStandIn } from './deepgram-stand-in.service.js';
import type { DemoPlan } from './demo-plan.js';
import { SmtpStandIn } from './smtp-stand-in.service.js';
import type { ServiceView } from './story.js';
import { TwilioStandIn } from './twilio-stand-in.service.js';

const SENDER = 'Birch and Brook <calls@birchandbrook.example>';
const SENDER_NUMBER = '+12125550100';

/** The vendors of one demo: stand-ins for those that the plan does not want real. */
export class DemoStandIns {
  readonly deepgram: DeepgramStandIn | undefined;
  readonly smtp: SmtpStandIn | undefined;
  readonly twilio: TwilioStandIn | undefined;
  /** Variables that lead Herald to the stand-ins. */
  readonly env: Record<string, string> = {};
  readonly views: ServiceView[] = [];
  private readonly token = randomBytes(16).toString('hex');

  /** @param arrived told of every message that a stand-in takes */
  constructor(
    private readonly plan: DemoPlan,
    arrived: (what: 'e-mail' | 'SMS', to: string, text: string) => void,
  ) {
    const { token } = this;
    this.deepgram = plan.real.deepgram ? undefined : new DeepgramStandIn({ apiKey: token, callbackDelayMs: 100 });
    this.smtp = plan.real.email
      ? undefined
      : new SmtpStandIn({
          onMail: (mail) => {
            arrived('e-mail', mail.envelope.to.join(', '), mail.subject);
          },
        });
    this.twilio = plan.real.sms
      ? undefined
      : new TwilioStandIn({
          authToken: token,
          onMessage: ({ message }) => {
            arrived('SMS', message.to, message.body);
          },
        });
  }

  async start(): Promise<void> {
    const { passed } = this.plan;
    if (this.deepgram) {
      const DEEPGRAM_BASE_URL = await this.deepgram.start();
      Object.assign(this.env, { DEEPGRAM_BASE_URL, DEEPGRAM_API_KEY: this.token });
    }
    if (this.smtp) Object.assign(this.env, { SMTP_URL: await this.smtp.start(), MAIL_FROM: SENDER });
    if (this.twilio) {
      Object.assign(this.env, {
        TWILIO_BASE_URL: await this.twilio.start(),
        TWILIO_ACCOUNT_SID: this.twilio.accountSid,
        TWILIO_AUTH_TOKEN: this.twilio.authToken,
        TWILIO_FROM: SENDER_NUMBER,
      });
    }
    const where = (name: string, usual: string): string => hostOf(this.env[name] ?? passed[name] ?? usual);
    this.views.push(
      { name: 'Deepgram', real: !this.deepgram, where: where('DEEPGRAM_BASE_URL', 'https://api.deepgram.com') },
      { name: 'E-mail', real: !this.smtp, where: where('SMTP_URL', '') },
      { name: 'SMS', real: !this.twilio, where: where('TWILIO_BASE_URL', 'https://api.twilio.com') },
    );
  }

  async stop(): Promise<void> {
    await Promise.allSettled([this.deepgram?.stop(), this.smtp?.stop(), this.twilio?.stop()]);
  }
}

/** An address without user and password. */
function hostOf(text: string): string {
  if (!URL.canParse(text)) return '';
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}
