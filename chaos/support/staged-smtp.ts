import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * How far a send has come: S1 connected, S2 EHLO, S3 MAIL, S4 RCPT, S5 `354` is out, S6 some of the body is here, S7 the final dot
 * is read and the mail is kept but nothing is answered, S8 `250` is out.
 */
export type SmtpStep = 'S1' | 'S2' | 'S3' | 'S4' | 'S5' | 'S6' | 'S7' | 'S8';

export interface KeptMail {
  to: string;
  messageId: string;
  /** Epoch milliseconds. */
  at: number;
  /** How often the process had been killed when this came ({@link StagedSmtp.era}). */
  era: number;
}

const END = Buffer.from('\r\n.\r\n');

/** A mail server on 127.0.0.1, on a bare socket, that tells of each step of a conversation as it happens. It keeps every whole mail. */
export class StagedSmtp {
  readonly mails: KeptMail[] = [];
  /** Set by the test at each kill. */
  era = 0;
  /** Told before the next byte goes out; may kill the other side. `to` is known from S4 on. */
  onStep: (step: SmtpStep, to: string | undefined) => void = () => undefined;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor() {
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
      new Conversation(this, socket).begin();
    });
  }

  /** @returns the URL for `SMTP_URL` */
  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `smtp://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Ends the connections that wait for another mail, so that the next one begins with a new connection. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut();
    await closed;
  }
}

class Conversation {
  private buffer = Buffer.alloc(0);
  private inBody = false;
  private bodySeen = false;
  private to: string | undefined;

  constructor(
    private readonly sink: StagedSmtp,
    private readonly socket: Socket,
  ) {}

  begin(): void {
    this.sink.onStep('S1', undefined);
    this.reply('220 sink ESMTP');
    this.socket.on('data', (chunk: Buffer) => {
      this.buffer = Buffer.concat([this.buffer, chunk]);
      while (this.take());
    });
  }

  /** @returns whether there may be more to take */
  private take(): boolean {
    if (this.inBody) return this.takeBody();
    const end = this.buffer.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.buffer.toString('utf8', 0, end);
    this.buffer = this.buffer.subarray(end + 2);
    this.command(line);
    return true;
  }

  private command(line: string): void {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
      case 'HELO':
        this.sink.onStep('S2', undefined);
        this.reply('250-sink\r\n250 8BITMIME');
        return;
      case 'MAIL':
        this.sink.onStep('S3', undefined);
        this.reply('250 OK');
        return;
      case 'RCPT':
        this.to = /<([^>]*)>/.exec(line)?.[1];
        this.sink.onStep('S4', this.to);
        this.reply('250 OK');
        return;
      case 'DATA':
        this.inBody = true;
        this.bodySeen = false;
        this.reply('354 go on', 'S5');
        return;
      case 'QUIT':
        this.socket.end('221 bye\r\n');
        return;
      default:
        this.reply('250 OK');
    }
  }

  private takeBody(): boolean {
    if (this.buffer.length > 0 && !this.bodySeen) {
      this.bodySeen = true;
      this.sink.onStep('S6', this.to);
      // Cut here, the rest of the body is not read, even if it has come.
      if (this.socket.destroyed) return false;
    }
    const end = this.buffer.indexOf(END);
    if (end < 0) return false;
    const mail = this.buffer.toString('utf8', 0, end);
    this.buffer = this.buffer.subarray(end + END.length);
    this.inBody = false;
    const messageId = /^Message-ID: *(<[^>]*>)/im.exec(mail)?.[1] ?? '';
    this.sink.mails.push({ to: this.to ?? '', messageId, at: Date.now(), era: this.sink.era });
    this.sink.onStep('S7', this.to);
    this.reply(`250 kept as ${this.sink.mails.length}`, 'S8');
    return true;
  }

  private reply(line: string, step?: SmtpStep): void {
    const { to } = this;
    if (this.socket.destroyed || !this.socket.writable) return;
    this.socket.write(`${line}\r\n`, () => {
      if (step) this.sink.onStep(step, to);
    });
  }
}
