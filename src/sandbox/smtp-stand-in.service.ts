import type { AddressInfo, Socket } from 'node:net';
import PostalMime from 'postal-mime';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import { Inbox } from './inbox.service.js';

/** A mail as it arrived. */
export interface ReceivedMail {
  /** Epoch milliseconds at which the last byte was there. */
  at: number;
  /** Of the envelope: what the server was told, whatever the headers say. */
  envelope: { from: string; to: string[] };
  /** Of the headers, `Name <address>` or the address alone. */
  from: string;
  to: string[];
  subject: string;
  text: string;
  html: string;
  messageId: string;
  /** Lower-case names; a header that came twice has two values. */
  headers: Record<string, string[]>;
  attachments: { filename: string; contentType: string; content: string }[];
  raw: string;
}

/** Where a conversation can be refused; `cut` ends the connection after the final dot, without a reply. */
export type SmtpStage = 'connect' | 'auth' | 'mail' | 'rcpt' | 'data' | 'cut';

interface SmtpFault {
  stage: SmtpStage;
  code: number;
  text: string;
}

export interface SmtpStandInOptions {
  /** Demands this user and password. Default: any are taken, and none are needed. */
  credentials?: { user: string; password: string };
  /** Advertised and enforced. Default 30 MB. */
  maxBytes?: number;
  /** Pause before the reply to the final dot. */
  delayMs?: number;
  /** Told of every mail that was taken. */
  onMail?: (mail: ReceivedMail) => void;
}

/** A mail server on 127.0.0.1 that keeps every mail and delivers none. */
export class SmtpStandIn {
  private readonly received = new Inbox<ReceivedMail>();
  private readonly faults: SmtpFault[] = [];
  private readonly refused = new Map<string, SmtpFault>();
  private readonly sockets = new Set<Socket>();
  private readonly server: SMTPServer;

  constructor(private readonly options: SmtpStandInOptions = {}) {
    const { credentials, maxBytes = 30_000_000 } = options;
    this.server = new SMTPServer({
      authOptional: credentials === undefined,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      logger: false,
      size: maxBytes,
      onConnect: (_session, done) => {
        done(this.fault('connect'));
      },
      onAuth: (auth, _session, done) => {
        const known = !credentials || (auth.username === credentials.user && auth.password === credentials.password);
        const fault = this.fault('auth') ?? (known ? null : reply(535, '5.7.8 Authentication failed'));
        if (fault) done(fault);
        else done(null, { user: auth.username ?? '' });
      },
      onMailFrom: (_address, _session, done) => {
        done(this.fault('mail'));
      },
      onRcptTo: ({ address }, _session, done) => {
        const refusal = this.refused.get(address.toLowerCase());
        done(this.fault('rcpt') ?? (refusal ? reply(refusal.code, refusal.text) : null));
      },
      onData: (stream, session, done) => {
        this.receive(stream, session).then(done, done);
      },
    });
    // A client that goes away is no fault of the server.
    this.server.on('error', () => undefined);
    this.server.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  /** Every mail that was taken, in order of arrival. */
  get mails(): readonly ReceivedMail[] {
    return this.received.all;
  }

  /** @param port 0 takes a free one; @returns the URL for `SMTP_URL` */
  async start(port = 0): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.server.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    return `smtp://127.0.0.1:${String((this.server.server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    if (!this.server.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(resolve);
      for (const socket of this.sockets) socket.destroy();
    });
  }

  /** The oldest mail that was not returned before; rejects when none comes in time. */
  async next(timeoutMs?: number): Promise<ReceivedMail> {
    return this.received.next(timeoutMs);
  }

  clear(): void {
    this.received.clear();
  }

  /** The next time a conversation comes to `stage`, it is refused. Several calls queue up. */
  failNext(stage: SmtpStage, code = 451, text = '4.3.0 Try again later'): void {
    this.faults.push({ stage, code, text });
  }

  /** From now on the recipient is refused. */
  refuse(address: string, code = 550, text = '5.1.1 No such user'): void {
    this.refused.set(address.toLowerCase(), { stage: 'rcpt', code, text });
  }

  private fault(stage: SmtpStage): Error | null {
    const index = this.faults.findIndex((fault) => fault.stage === stage);
    const [fault] = index < 0 ? [] : this.faults.splice(index, 1);
    return fault ? reply(fault.code, fault.text) : null;
  }

  private async receive(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<Error | null> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    if (stream.sizeExceeded) return reply(552, '5.3.4 Message too big');
    const fault = this.fault('data');
    if (fault) return fault;
    const mail = await readMail(Buffer.concat(chunks), session);
    this.received.add(mail);
    this.options.onMail?.(mail);
    if (this.options.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, this.options.delayMs));
    if (this.fault('cut')) {
      for (const socket of this.sockets) socket.destroy();
    }
    return null;
  }
}

function reply(responseCode: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode });
}

async function readMail(bytes: Buffer, session: SMTPServerSession): Promise<ReceivedMail> {
  const mail = await PostalMime.parse(bytes, { attachmentEncoding: 'utf8' });
  const { mailFrom, rcptTo } = session.envelope;
  const headers: Record<string, string[]> = {};
  for (const { key, value } of mail.headers) (headers[key] ??= []).push(value);
  return {
    at: Date.now(),
    envelope: { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) },
    from: shown(mail.from),
    to: (mail.to ?? []).map(shown),
    subject: mail.subject ?? '',
    text: mail.text ?? '',
    html: mail.html ?? '',
    messageId: mail.messageId ?? '',
    headers,
    attachments: mail.attachments.map(({ filename, mimeType, content }) => ({
      filename: filename ?? '',
      contentType: mimeType,
      content: typeof content === 'string' ? content : Buffer.from(content as Uint8Array).toString('utf8'),
    })),
    raw: bytes.toString('utf8'),
  };
}

function shown(address: { name: string; address?: string | undefined } | undefined): string {
  if (!address) return '';
  const { name, address: box = '' } = address;
  return name === '' ? box : `${name} <${box}>`;
}
