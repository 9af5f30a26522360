import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';

export interface Received {
  from: string;
  to: string[];
  raw: string;
}

/** At which step the sink misbehaves, and how: a reply, silence, or a cut connection (for `data` after the final dot). */
export interface Fault {
  at: 'connect' | 'auth' | 'mail' | 'rcpt' | 'data';
  reply?: [code: number, text: string];
  act?: 'cut' | 'half-reply' | 'silence';
}

export interface SmtpSink {
  port: number;
  url: string;
  /** Messages that came in whole, whatever was answered. */
  received: Received[];
  /** Connections, RCPT commands and messages seen. */
  counts: { connections: number; recipients: number; messages: number };
  /** What goes wrong from now on; undefined for nothing. */
  fault: Fault | undefined;
  /** Milliseconds before a message is accepted. */
  delayMs: number;
  /** Cuts the connections that are open now. */
  cutAll(): void;
  close: () => Promise<void>;
}

type Reply = (error?: Error | null) => void;

/** An SMTP server on 127.0.0.1 that keeps what it gets and can be told to fail at each step. */
export async function startSmtpSink(options: { login?: { user: string; pass: string } } = {}): Promise<SmtpSink> {
  const sockets = new Map<string, Socket>();
  const keyOf = (port: number | undefined): string => String(port);

  const sink: SmtpSink = {
    port: 0,
    url: '',
    received: [],
    counts: { connections: 0, recipients: 0, messages: 0 },
    fault: undefined,
    delayMs: 0,
    cutAll: () => {
      for (const socket of sockets.values()) socket.destroy();
    },
    close: async () => {
      sink.cutAll();
      await new Promise<void>((resolve) => {
        server.close(resolve);
      });
    },
  };

  function step(at: Fault['at'], session: SMTPServerSession, reply: Reply, fault = sink.fault): void {
    if (fault?.at !== at) {
      reply();
      return;
    }
    const socket = sockets.get(keyOf(session.remotePort));
    if (fault.act === 'cut') socket?.destroy();
    else if (fault.act === 'half-reply') socket?.write('25', () => socket.destroy());
    else if (fault.act !== 'silence') {
      const [responseCode, text] = fault.reply ?? [451, 'fault'];
      reply(Object.assign(new Error(text), { responseCode }));
    }
  }

  const server = new SMTPServer({
    authOptional: options.login === undefined,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    onConnect(session, reply) {
      sink.counts.connections += 1;
      step('connect', session, reply);
    },
    onAuth(auth, session, reply) {
      step('auth', session, (error) => {
        const { login } = options;
        if (error) reply(error);
        else if (login !== undefined && auth.username === login.user && auth.password === login.pass) {
          reply(null, { user: login.user });
        } else reply(Object.assign(new Error('5.7.8 bad login'), { responseCode: 535 }));
      });
    },
    onMailFrom(_address, session, reply) {
      step('mail', session, reply);
    },
    onRcptTo(_address, session, reply) {
      sink.counts.recipients += 1;
      step('rcpt', session, reply);
    },
    onData(stream, session, reply) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        // Taken with the count: who saw it may ask for another fault.
        const { fault } = sink;
        sink.counts.messages += 1;
        sink.received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks).toString('utf8'),
        });
        setTimeout(() => {
          step('data', session, reply, fault);
        }, sink.delayMs);
      });
    },
  });
  // A cut connection is what the tests ask for.
  server.on('error', () => undefined);
  server.server.on('connection', (socket: Socket) => {
    const key = keyOf(socket.remotePort);
    sockets.set(key, socket);
    socket.on('close', () => sockets.delete(key));
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  sink.port = (server.server.address() as AddressInfo).port;
  const login = options.login === undefined ? '' : `${options.login.user}:${options.login.pass}@`;
  sink.url = `smtp://${login}127.0.0.1:${String(sink.port)}`;
  return sink;
}

/** One header of a raw message, unfolded; undefined when absent, with all values joined by ` | ` when repeated. */
export function header(raw: string, name: string): string | undefined {
  const [head = ''] = raw.split('\r\n\r\n');
  const lines = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  const prefix = `${name.toLowerCase()}:`;
  const values = lines
    .filter((line) => line.toLowerCase().startsWith(prefix))
    .map((line) => line.slice(prefix.length).trim());
  return values.length === 0 ? undefined : values.join(' | ');
}
