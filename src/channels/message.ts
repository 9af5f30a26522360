/** What a template rendered, before a channel makes a message of it. */
export interface EmailParts {
  subject: string;
  html: string;
  text: string;
}
export interface SmsParts {
  text: string;
}
export type RenderedParts = { kind: 'email'; parts: EmailParts } | { kind: 'sms'; parts: SmsParts };

/** Attachment by value: content is made at send time from the stored transcript. */
export interface Attachment {
  filename: string;
  contentType: string;
  content: string;
}

export interface EmailMessage {
  kind: 'email';
  to: string;
  subject: string;
  text: string;
  html: string;
  /** Names only are stored with a delivery; contents are made again for each attempt. */
  attachments: Attachment[];
}

export interface SmsMessage {
  kind: 'sms';
  /** E.164. */
  to: string;
  text: string;
  segments: number;
  encoding: 'GSM-7' | 'UCS-2';
}

export type Message = EmailMessage | SmsMessage;
